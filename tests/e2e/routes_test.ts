/**
 * Goal: a name reaches the backend of its own route and no other, on each listener by its own table.
 * Method: two listeners whose tables differ; each row sends one hello and its FIN, and expects it back from the one
 * backend, which alone has recorded it; or a TLS alert. The connection's event names listener, route and backend.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import { clientHello, type ClientHelloOptions } from "../support/client_hello.ts";
import type { LogEvent } from "../support/program.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { exchange, parseAlert } from "../support/raw_client.ts";

const NAMES = ["exact", "wild", "disabled", "other", "default"] as const;
type BackendName = typeof NAMES[number];

interface Row {
  readonly listener: 0 | 1;
  readonly hello: ClientHelloOptions;
  /** The backend and the hostname of its route, or the reason. */
  readonly wanted: readonly [BackendName, string] | "unknown_name" | "no_name";
}

const LABEL = "l".repeat(63);
const LONG_NAME = `${LABEL}.${LABEL}.${LABEL}.${"l".repeat(61)}`;

const ROWS: readonly Row[] = [
  { listener: 0, hello: { serverName: "a.test" }, wanted: ["exact", "a.test"] },
  { listener: 0, hello: { serverName: "A.TeSt" }, wanted: ["exact", "a.test"] },
  { listener: 0, hello: { serverName: "a.test." }, wanted: ["exact", "a.test"] },
  { listener: 0, hello: { serverName: "a.test", version: "1.2" }, wanted: ["exact", "a.test"] },
  { listener: 0, hello: { serverName: "a.test", alpn: ["acme-tls/1"] }, wanted: ["exact", "a.test"] },
  { listener: 0, hello: { serverName: "b.wild.test" }, wanted: ["wild", "*.wild.test"] },
  { listener: 0, hello: { serverName: "exact.wild.test" }, wanted: ["exact", "exact.wild.test"] },
  { listener: 0, hello: { serverName: "off.wild.test" }, wanted: ["wild", "*.wild.test"] },
  { listener: 0, hello: { serverName: LONG_NAME }, wanted: ["exact", LONG_NAME] },
  { listener: 0, hello: { serverName: "b.b.wild.test" }, wanted: "unknown_name" },
  { listener: 0, hello: { serverName: "wild.test" }, wanted: "unknown_name" },
  { listener: 0, hello: { serverName: "off.test" }, wanted: "unknown_name" },
  { listener: 0, hello: { serverName: "xa.test" }, wanted: "unknown_name" },
  { listener: 0, hello: { serverName: "only-second.test" }, wanted: "unknown_name" },
  { listener: 0, hello: {}, wanted: "no_name" },
  { listener: 0, hello: { version: "1.2" }, wanted: "no_name" },
  { listener: 1, hello: { serverName: "only-second.test" }, wanted: ["other", "only-second.test"] },
  { listener: 1, hello: { serverName: "a.test" }, wanted: ["other", "a.test"] },
  { listener: 1, hello: { serverName: "b.wild.test" }, wanted: ["default", "*"] },
  { listener: 1, hello: { serverName: "nowhere" }, wanted: ["default", "*"] },
  { listener: 1, hello: {}, wanted: ["default", "*"] },
];

function describe({ listener, hello, wanted }: Row): string {
  const name = hello.serverName ?? "no name";
  const extra = hello.alpn?.[0] ?? hello.version ?? "";
  const to = typeof wanted === "string" ? wanted : wanted[0];
  return `listener ${listener}: ${name.slice(0, 40)} ${extra} → ${to}`;
}

/** How many connections each backend has had. */
function loads(backends: Record<BackendName, Backend>): Record<string, number> {
  return Object.fromEntries(NAMES.map((name) => [name, backends[name].connections.length]));
}

Deno.test("a name reaches the backend of its own route and no other", async (t) => {
  await using stack = new AsyncDisposableStack();
  const backends = Object.fromEntries(
    NAMES.map((name) => [name, stack.use(echoBackend())]),
  ) as Record<BackendName, Backend>;
  const route = (hostname: string, name: BackendName, more = {}) => ({
    hostname,
    backend: backends[name].addr,
    ...more,
  });
  const first = [
    route("a.test", "exact"),
    route("*.wild.test", "wild"),
    route("exact.wild.test", "exact"),
    route("off.wild.test", "disabled", { enabled: false }),
    route("off.test", "disabled", { enabled: false }),
    route(LONG_NAME, "exact"),
  ];
  const second = [route("only-second.test", "other"), route("a.test", "other"), route("*", "default")];
  const events = await serveQuietly({ listeners: [{ routes: first }, { routes: second }] }, async (proxy) => {
    for (const row of ROWS) {
      await t.step(describe(row), async () => {
        const expected = loads(backends);
        const from = proxy.program.events.length;
        const hello = clientHello(row.hello);
        const answer = await exchange(proxy.addrs[row.listener]!, hello, true);
        const event = await proxy.program.event(isConnection, 10_000, from);
        assert.equal(event["listener"], proxy.addrs[row.listener]);
        if (typeof row.wanted === "string") checkRefusal(row.wanted, answer.bytes, event);
        else {
          const [name, hostname] = row.wanted;
          assert.deepEqual(answer, { bytes: hello, end: "fin" });
          assert.deepEqual(backends[name].connections.at(-1)!.head, hello);
          expected[name]!++;
          assert.equal(event["route"], hostname);
          assert.equal(event["backend"], backends[name].addr);
          assert.equal(event["reason"], "client_eof");
        }
        assert.deepEqual(loads(backends), expected);
      });
    }
  });
  assert.equal(events.length, ROWS.length);
});

function checkRefusal(reason: string, bytes: Uint8Array, event: LogEvent): void {
  assert.deepEqual(parseAlert(bytes), { level: 2, description: 112 });
  assert.equal(event["reason"], reason);
  assert.equal(event["route"], undefined);
  assert.equal(event["backend"], undefined);
}
