/**
 * A worker's data plane inside the test: real sockets, state, deadlines, gauges and counters; its events come back as
 * the lines that main would read.
 *
 * @module
 */

import { HttpService } from "../../src/l7/http_service.ts";
import { Deadlines } from "../../src/net/deadlines.ts";
import { loadNative, monotonicMs } from "../../src/net/native.ts";
import { Resetter } from "../../src/net/reset.ts";
import type { Column } from "../../src/observe/column.ts";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { rateTableOf, sharedMemoryBytes } from "../../src/observe/memory_layout.ts";
import type { RateTable } from "../../src/observe/rate_table.ts";
import { SharedMemory } from "../../src/observe/shared_memory.ts";
import { BlockSampler } from "../../src/proxy/block_sampler.ts";
import type { ClientConnection } from "../../src/proxy/client_connection.ts";
import type { DataPlane } from "../../src/proxy/data_plane.ts";
import { EventBatches } from "../../src/proxy/event_batches.ts";
import { BoundListener } from "../../src/proxy/listener.ts";
import { parseFromWorker } from "../../src/proxy/messages.ts";
import { Registry } from "../../src/proxy/registry.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/state/limits.ts";
import type { FirewallRule, Listener, Route } from "../../src/state/model.ts";
import { buildRuntimeState, type RuntimeState } from "../../src/state/runtime_state.ts";
import { runToEnd } from "../../src/state/slices.ts";
import { type Arrivals, arrivals } from "../support/arrivals.ts";

/** What the plane serves; the rest takes its default. */
export interface PlaneOptions {
  readonly routes?: readonly Route[];
  readonly rules?: readonly FirewallRule[];
  readonly limits?: Partial<Limits>;
  readonly listener?: Partial<Pick<Listener, "maxConnections" | "proxyProtocol" | "trustedProxies">>;
  /** Default 1,000. */
  readonly connectionsMax?: number;
  /** Ports that count as the program's own. */
  readonly ownPorts?: readonly number[];
}

/** The slot of the plane's one listener. */
export const LISTENER_SLOT = 2;
/** Routes' slots are their ids and this. */
export const ROUTE_SLOTS = 10;

loadNative();

/** One listener on 127.0.0.1 that accepts until disposal. */
export class LivePlane implements DataPlane, AsyncDisposable {
  readonly state: RuntimeState;
  readonly memory: SharedMemory;
  readonly column: Column;
  readonly rates: RateTable;
  readonly deadlines = new Deadlines();
  readonly resetter = new Resetter(() => void this.faults.push("a reset became a plain close"));
  readonly limitMode = "enforce";
  readonly tellsRequests = false;
  readonly sampler = new BlockSampler();
  readonly events: EventBatches;
  readonly connections = new Registry<ClientConnection>();
  readonly connectionsMax: number;
  readonly http: HttpService = new HttpService(this);
  readonly listener: BoundListener;
  /** What was reported: errors of accept, defects, lost resets. */
  readonly faults: unknown[] = [];
  readonly told: ConnectionEvent[] = [];
  readonly #ownPorts: readonly number[];
  readonly #accepting: Promise<void>;
  readonly #arrivals: Arrivals = arrivals();
  #connectionNumber = 0;

  /** Binds and accepts. */
  constructor(options: PlaneOptions = {}) {
    const { routes = [], rules = [], limits, listener: more, connectionsMax = 1_000, ownPorts = [] } =
      options;
    const address = { host: "127.0.0.1", port: 0 };
    const listener: Listener = {
      id: 1,
      address,
      maxConnections: 0,
      proxyProtocol: false,
      trustedProxies: [],
      routes,
      ...more,
    };
    this.state = runToEnd(buildRuntimeState({ listeners: [listener], firewallRules: rules }, {
      revision: 1,
      generation: 0,
      limits: { ...DEFAULT_LIMITS, ...limits },
      blockUnknownCountry: false,
    }));
    const memory = new ArrayBuffer(sharedMemoryBytes(1));
    this.memory = new SharedMemory(memory, 1);
    this.column = this.memory.columns[0]!;
    this.rates = rateTableOf(memory, monotonicMs, () => {});
    this.connectionsMax = connectionsMax;
    this.#ownPorts = ownPorts;
    this.events = new EventBatches({ write: (line) => this.#heard(line) }, () => this.faults.push("dropped"));
    this.listener = new BoundListener(listener, LISTENER_SLOT);
    this.#accepting = this.listener.accept(this);
  }

  #heard(line: string): boolean {
    const message = parseFromWorker(line);
    if (message?.type !== "events") this.faults.push(line);
    else for (const event of message.events) this.told.push(event as ConnectionEvent);
    this.events.credit(1);
    this.#arrivals.notify();
    return true;
  }

  /** Where clients connect to. */
  get addr(): string {
    return `127.0.0.1:${this.listener.port}`;
  }

  /** The event with this index, now or when it comes; the last one when it is the only one ever. */
  async event(index: number): Promise<ConnectionEvent> {
    const event = await this.#arrivals.until(() => this.told[index], 10_000);
    if (event === undefined) throw new Error(`no event ${index}`);
    return event;
  }

  /** Resolves when that many connections are open. */
  async open(count: number): Promise<void> {
    while (this.connections.size !== count) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  nextConnectionId(): string {
    return `t-${this.#connectionNumber++}`;
  }

  country(): string | undefined {
    return undefined;
  }

  routeSlot(routeId: number): number {
    if (routeId === DEFECT_ROUTE) throw new Error("a defect");
    return routeId + ROUTE_SLOTS;
  }

  secureContext(): undefined {
    return undefined;
  }

  backendAuthorities(): undefined {
    return undefined;
  }

  isOwnListener({ remoteAddr }: Deno.TcpConn): boolean {
    return this.#ownPorts.includes(remoteAddr.port);
  }

  reportAcceptError(_: unknown, code: string): void {
    this.faults.push(code);
  }

  reportDefect(error: unknown): void {
    this.faults.push(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.listener.close();
    await this.#accepting;
    for (const connection of this.connections) connection.end("killed");
    await this.connections.whenEmpty(5_000);
    this.resetter.flush();
    this.events.flush();
    this.deadlines[Symbol.dispose]();
  }
}

/** A route that makes the plane fail: what the program doesn't expect. */
export const DEFECT_ROUTE = 999;
