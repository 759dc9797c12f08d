/**
 * First flights through the running program: a route for each name, each to a backend of its own, and every flight in
 * four ways of delivery.
 *
 * @module
 */

import { canonicalHostname } from "../../src/policy/hostname.ts";
import type { LogEvent } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { type ClientHelloVector, holdsName, namesIpLiteral } from "./client_hello_vectors.ts";
import { type Answer, deliver, DELIVERIES, type Delivery } from "./hello_deliveries.ts";
import { type NamingBackend, namingBackend } from "./naming_backend.ts";
import type { VectorResult } from "./result.ts";

/** Flights that are being sent at once. */
const SENDING_MAX = 32;
/** Longer than any flight takes byte by byte on a slow machine; two vectors wait for it. */
const HELLO_TIMEOUT = "15s";
/** Answers that didn't come after which no more is sent: the program is broken, and each costs its whole time. */
const LATE_MAX = 10;
const DEFAULT_NAME = "*";
/** Routes that no hello names. */
const DECOYS = ["decoy.test", "*.decoy.test"];

/** A flight that was sent and what its client saw. */
interface Trial {
  readonly vector: ClientHelloVector;
  readonly delivery: Delivery;
  readonly flight: Uint8Array;
  readonly answer: Answer;
}

/** Runs the vectors through the program. */
export async function runClientHellos(vectors: readonly ClientHelloVector[]): Promise<VectorResult> {
  await using stack = new AsyncDisposableStack();
  const names = new Set([...vectors.map(({ route_key }) => route_key ?? ""), ...DECOYS].filter(isHostname));
  const backends = new Map([...names, DEFAULT_NAME].map((name) => [name, stack.use(namingBackend(name))]));
  const routes = [...backends].map(([hostname, { addr }]) => ({ hostname, backend: addr }));
  await using proxy = await startProxy({
    listeners: [{ routes }],
    proxy: { client_hello_timeout: HELLO_TIMEOUT },
  });
  const trials = await sendAll(proxy.addr, vectors);
  const events = await stopQuietly(proxy);
  const wrong = [...judgeAll(trials, events, names), ...judgeBackends(backends, trials)];
  if (events.length !== trials.length) wrong.push(`${trials.length} connections, ${events.length} events`);
  const note = `${vectors.length} flights in ${DELIVERIES.length} ways, ${names.size} names`;
  return { set: "client_hellos (running program)", checked: trials.length, wrong, note };
}

/** Names that a route can have; others can be in a hello all the same. */
function isHostname(name: string): boolean {
  return name !== "" && canonicalHostname(name) === name;
}

async function sendAll(addr: string, vectors: readonly ClientHelloVector[]): Promise<Trial[]> {
  // The two that wait for the deadline go first, and the rest meanwhile.
  const first = vectors.filter(({ expect }) => expect === "incomplete");
  const rest = vectors.filter(({ expect }) => expect !== "incomplete");
  const jobs = [...first, ...rest].flatMap((vector) => DELIVERIES.map((delivery) => ({ vector, delivery })));
  const next = jobs.values();
  const trials: Promise<Trial>[] = [];
  let late = 0;
  await Promise.all(Array.from({ length: SENDING_MAX }, async () => {
    for (const { vector, delivery } of next) {
      if (late >= LATE_MAX) return;
      const flight = Uint8Array.fromHex(vector.hex);
      const { sent, answer } = await deliver(addr, flight, delivery, (bytes) => {
        const greeting = greetingOf(bytes);
        return greeting !== undefined && bytes.length - greeting.length - 1 >= flight.length;
      });
      trials.push(answer.then((answer) => {
        if (answer.end === "late") late++;
        return { vector, delivery, flight, answer };
      }));
      await (vector.expect === "incomplete" ? sent : answer);
    }
  }));
  return await Promise.all(trials);
}

/** The backend's name, where a backend spoke. Alerts have no line feed among their 7 bytes. */
function greetingOf(bytes: Uint8Array): string | undefined {
  const end = bytes.indexOf(10);
  return end < 0 || bytes[0] === ALERT ? undefined : new TextDecoder().decode(bytes.subarray(0, end));
}

const ALERT = 0x15;
const ALERTS: Readonly<Record<string, number>> = { hello_malformed: 50, hello_too_large: 22 };
const REJECTED = ["hello_malformed", "hello_too_large", "not_tls"];

function judgeAll(
  trials: readonly Trial[],
  events: readonly LogEvent[],
  names: ReadonlySet<string>,
): string[] {
  const wrong: string[] = [];
  // One port may serve two clients in turn; each port's events are in the order of its clients.
  const eventsByClient = Map.groupBy(events, ({ client }) => String(client));
  for (const trial of trials) {
    const event = eventsByClient.get(trial.answer.client)?.shift();
    const fault = event === undefined ? "has no event" : judge(trial, event, names);
    if (fault === undefined) continue;
    const { vector, delivery, answer } = trial;
    const got = `${answer.bytes.length} bytes ${answer.bytes.subarray(0, 32).toHex()}, ${answer.end}`;
    wrong.push(`${vector.name}, ${delivery}: wanted ${vector.expect}, ${fault}; got ${got}`);
  }
  return wrong;
}

function judge(trial: Trial, event: LogEvent, names: ReadonlySet<string>): string | undefined {
  const { vector, flight, answer } = trial;
  const reason = String(event["reason"]);
  const backend = greetingOf(answer.bytes);
  if (backend === undefined) {
    const allowed = refusalsOf(trial);
    if (!allowed.includes(reason)) return `ended with ${reason}`;
    return judgeRefusal(reason, answer);
  }
  const echoed = answer.bytes.subarray(backend.length + 1);
  if (echoed.toHex() !== flight.toHex()) return `${backend} got other bytes than were sent`;
  if (answer.end !== "fin" || reason !== "client_eof") return `${backend}, then ${answer.end} and ${reason}`;
  if (event["bytes_received"] !== flight.length) return `the event counts ${event["bytes_received"]} bytes`;
  if (event["bytes_sent"] !== answer.bytes.length) {
    return `the event counts ${event["bytes_sent"]} bytes sent`;
  }
  if (event["route"] !== backend) return `the event says ${event["route"]}, it was ${backend}`;
  return judgeBackend(vector, backend, event["sni"] as string | undefined, flight, names);
}

function judgeBackend(
  vector: ClientHelloVector,
  backend: string,
  serverName: string | undefined,
  flight: Uint8Array,
  names: ReadonlySet<string>,
): string | undefined {
  const wantedBackend = serverName !== undefined && names.has(serverName) ? serverName : DEFAULT_NAME;
  if (backend !== wantedBackend) return `${serverName} reached ${backend}`;
  switch (vector.expect) {
    case "route":
      if (namesIpLiteral(vector)) return `reached ${backend} with an IP literal as its name`;
      return serverName === vector.route_key ? undefined : `${vector.route_key} was read as ${serverName}`;
    case "nosni":
      return serverName === undefined ? undefined : `nobody was read as ${serverName}`;
    case "ambiguous":
      return serverName === undefined || holdsName(flight, serverName)
        ? undefined
        : `${serverName} was made up`;
    default:
      return `reached ${backend}`;
  }
}

/** Reasons for which a flight may be refused. */
function refusalsOf({ vector, delivery }: Trial): readonly string[] {
  const waited = delivery === "fin" ? ["hello_eof"] : ["hello_timeout"];
  switch (vector.expect) {
    case "route":
      return namesIpLiteral(vector) ? ["hello_malformed"] : [];
    case "nosni":
      return [];
    case "reject":
      return REJECTED;
    case "incomplete":
      return waited;
    default:
      return [...REJECTED, ...waited];
  }
}

function judgeRefusal(reason: string, { bytes, end }: Answer): string | undefined {
  const alert = ALERTS[reason];
  const wanted = alert === undefined ? new Uint8Array(0) : Uint8Array.of(ALERT, 3, 3, 0, 2, 2, alert);
  if (bytes.toHex() !== wanted.toHex()) return `${reason} came with other bytes than it should`;
  // What isn't TLS is closed on at once, and the kernel says RST to what comes afterwards.
  const ends = reason === "not_tls" ? ["fin", "reset"] : ["fin"];
  return ends.includes(end) ? undefined : `${reason} ended in ${end}`;
}

/** What the backends recorded is what was sent to them, and nothing else. */
function judgeBackends(backends: ReadonlyMap<string, NamingBackend>, trials: readonly Trial[]): string[] {
  const wrong: string[] = [];
  for (const [name, { received }] of backends) {
    const sent = trials.filter(({ answer }) => greetingOf(answer.bytes) === name)
      .map(({ flight }) => flight.toHex()).toSorted();
    const got = received.map((bytes) => bytes.toHex()).toSorted();
    if (JSON.stringify(sent) !== JSON.stringify(got)) {
      wrong.push(`backend ${name}: recorded ${got.length} flights, ${sent.length} were answered by it`);
    }
  }
  return wrong;
}
