/**
 * What was counted, in Prometheus' text format (version 0.0.4). Labels come from closed sets and from the
 * configuration; nothing that a client sends becomes one.
 *
 * @module
 */

import { REASON_NAMES } from "../reasons.ts";
import {
  ACCEPT_ERROR_CODES,
  acceptErrorCounter,
  bytesCounter,
  COUNTER,
  FLOOD_KINDS,
  floodCounter,
  PHASE_BOUNDS_MS,
  phaseBucket,
  PHASES,
  phaseSum,
  reasonCounter,
  requestCounter,
  STATUS_CLASSES,
  VERDICT_TYPES,
  verdictCounter,
} from "./counters.ts";
import { listenerGauge } from "./memory_layout.ts";
import type { SharedMemory } from "./shared_memory.ts";

/** A listener, as its labels name it. */
export interface MeasuredListener {
  /** Its address. */
  readonly name: string;
  /** Its slot in the shared memory. */
  readonly slot: number;
}

/** An L7 route, as its labels name it. */
export interface MeasuredRoute {
  /** Its listener's address and its hostname, such as `:443 a.example.org`. */
  readonly name: string;
  /** Its slot in the shared memory. */
  readonly slot: number;
  /** When its certificate expires, Unix ms; absent = it has none that can be used. */
  readonly certificateEndMs?: number;
}

/** What the metrics are made from besides the shared memory. */
export interface Measured {
  /** All listeners. */
  readonly listeners: readonly MeasuredListener[];
  /** All L7 routes. */
  readonly routes: readonly MeasuredRoute[];
  /** Number of the configuration. */
  readonly revision: number;
  /** Of the files under it. */
  readonly generation: number;
  /** Workers that were replaced. */
  readonly workerRestarts: number;
  /** When the GeoIP database was built, Unix ms; absent = none. */
  readonly geoipBuiltMs: number | undefined;
  /** Unix ms. */
  readonly nowMs: number;
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** All metrics as one text. Combinations that never were counted are left out, as long as others of their name are there. */
export function renderMetrics(memory: SharedMemory, measured: Measured): string {
  const count = (counter: number): number => memory.counted(counter);
  return [
    ...listenerFamilies(memory, measured.listeners, count),
    ...routeFamilies(measured, count),
    phases(count),
    ...clientFamilies(count),
    ...programFamilies(measured, count),
    lags(memory),
  ].join("");
}

type Count = (counter: number) => number;

function listenerFamilies(
  memory: SharedMemory,
  listeners: readonly MeasuredListener[],
  count: Count,
): string[] {
  const ended = listeners.flatMap(({ name, slot }) =>
    REASON_NAMES.map((reason): Sample => [{ listener: name, reason }, count(reasonCounter(slot, reason))])
  );
  const open = listeners.flatMap(({ name, slot }) =>
    memory.columns.map((column, worker): Sample => [
      { listener: name, worker: String(worker) },
      column.share(listenerGauge(slot)),
    ])
  );
  const bytes = listeners.flatMap(({ name, slot }) =>
    (["received", "sent"] as const).map((direction): Sample => [
      { listener: name, direction },
      count(bytesCounter(slot, direction)),
    ])
  );
  return [
    family("connections_total", "counter", "connections that have ended", ended.filter(isCounted)),
    family("connections_open", "gauge", "connections that are open", open),
    family("bytes_total", "counter", "bytes from and to clients", bytes),
  ];
}

function routeFamilies({ routes, nowMs }: Measured, count: Count): string[] {
  const requests = routes.flatMap(({ name, slot }) =>
    STATUS_CLASSES.map((statusClass, index): Sample => [
      { route: name, class: statusClass },
      count(requestCounter(slot, index * 100)),
    ])
  );
  const expiries = routes.flatMap(({ name, certificateEndMs }): Sample[] =>
    certificateEndMs === undefined ? [] : [[{ route: name }, (certificateEndMs - nowMs) / 1_000]]
  );
  return [
    family("requests_total", "counter", "requests by class of status", requests.filter(isCounted)),
    family("certificate_expiry_seconds", "gauge", "seconds until a certificate expires", expiries),
  ];
}

function clientFamilies(count: Count): string[] {
  const verdicts = VERDICT_TYPES.flatMap((type) =>
    (["enforce", "shadow"] as const).map((
      mode,
    ): Sample => [{ type, mode }, count(verdictCounter(type, mode))])
  );
  const floods = FLOOD_KINDS.map((kind): Sample => [{ kind }, count(floodCounter(kind))]);
  const accepts = ACCEPT_ERROR_CODES.map((code): Sample => [{ code }, count(acceptErrorCounter(code))]);
  return [
    family("firewall_verdicts_total", "counter", "clients that a rule or limit matched", verdicts),
    family("flood_total", "counter", "floods by kind", floods),
    family("accept_errors_total", "counter", "failed accepts", accepts),
  ];
}

function programFamilies(measured: Measured, count: Count): string[] {
  const { geoipBuiltMs, nowMs } = measured;
  const age: Sample[] = geoipBuiltMs === undefined ? [] : [[{}, (nowMs - geoipBuiltMs) / 1_000]];
  const failures: Sample[] = [
    [{ what: "geoip" }, count(COUNTER.geoipReloadFailures)],
    [{ what: "certificate" }, count(COUNTER.certificateReloadFailures)],
    [{ what: "grpc" }, count(COUNTER.grpcReloadFailures)],
  ];
  const { geoipLookupErrors, rateTableEvictions, eventsDropped } = COUNTER;
  return [
    single("geoip_lookup_errors_total", "counter", "failed country lookups", count(geoipLookupErrors)),
    single(
      "rate_table_evictions_total",
      "counter",
      "addresses without a bucket of their own",
      count(rateTableEvictions),
    ),
    single("events_dropped_total", "counter", "events and log lines that were dropped", count(eventsDropped)),
    single("worker_restarts_total", "counter", "workers that were replaced", measured.workerRestarts),
    single("config_revision", "gauge", "number of the configuration", measured.revision),
    single("config_generation", "gauge", "number of the files under it", measured.generation),
    family("geoip_age_seconds", "gauge", "age of the GeoIP database", age),
    family("reload_failures_total", "counter", "files that could not be read again", failures),
  ];
}

function lags({ main, columns }: SharedMemory): string {
  const samples = [["main", main] as const, ...columns.entries()].map(([process, { lagMs }]): Sample => [
    { process: String(process) },
    lagMs / 1_000,
  ]);
  return family(
    "event_loop_lag_seconds",
    "gauge",
    "how late an event loop was in the last 15 to 30 s",
    samples,
  );
}

function isCounted([, value]: Sample): boolean {
  return value > 0;
}

/** The histogram of a connection's phases. */
function phases(count: (counter: number) => number): string {
  const lines: string[] = [];
  for (const phase of PHASES) {
    const first = phaseBucket(phase, 0);
    let total = 0;
    for (const [index, boundMs] of [...PHASE_BOUNDS_MS, Infinity].entries()) {
      total += count(first + index);
      const le = boundMs === Infinity ? "+Inf" : String(boundMs / 1_000);
      lines.push(line("phase_seconds_bucket", { phase, le }, total));
    }
    lines.push(line("phase_seconds_sum", { phase }, count(phaseSum(phase)) / 1_000));
    lines.push(line("phase_seconds_count", { phase }, total));
  }
  return header("phase_seconds", "histogram", "parts of a connection's life") + lines.join("");
}

function family(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  return header(name, type, help) + samples.map(([labels, value]) => line(name, labels, value)).join("");
}

function single(name: string, type: "counter" | "gauge", help: string, value: number): string {
  return family(name, type, help, [[{}, value]]);
}

function header(name: string, type: string, help: string): string {
  return `# HELP mcproxy_${name} ${help}\n# TYPE mcproxy_${name} ${type}\n`;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `mcproxy_${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
