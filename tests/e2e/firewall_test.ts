/**
 * Goal: a client that a rule blocks gets ECONNRESET, no byte and no FIN before it; every other is served; the order
 * of the rules is kept, and the event names the rule that decided.
 * Method: clients from many addresses of 127.0.0.0/8, each once silent and once with a hello; a country database
 * written for the test puts some of these addresses into countries.
 *
 * @module
 */

import assert from "node:assert/strict";
import { echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello } from "../support/client_hello.ts";
import { countryDatabase } from "../support/country_database.ts";
import { freePort } from "../support/ports.ts";
import { serveQuietly } from "../support/quiet.ts";

const HELLO = clientHello({ serverName: "a.test" });
const NOTHING = new Uint8Array(0);
const HOUR_MS = 3_600_000;

const RULES = [
  { type: "ip", value: "127.0.0.2" },
  { type: "ip", value: "::ffff:127.0.0.3" },
  { type: "cidr", value: "127.0.1.0/24" },
  { type: "ip", value: "127.0.1.7", action: "allow" },
  { type: "cidr", value: "127.0.1.128/25", action: "allow" },
  { type: "cidr", value: "127.0.2.0/24", action: "allow" },
  { type: "ip", value: "127.0.2.2" },
  { type: "country", value: "DE" },
  { type: "ip", value: "127.1.0.9", action: "allow" },
  { type: "country", value: "FR", mode: "shadow" },
  { type: "ip", value: "127.0.3.1", mode: "shadow" },
  { type: "cidr", value: "127.0.3.0/24", mode: "shadow" },
  { type: "ip", value: "127.0.1.9", mode: "shadow" },
  { type: "ip", value: "127.0.4.1", expires: new Date(Date.now() - HOUR_MS) },
  { type: "ip", value: "127.0.4.2", expires: new Date(Date.now() + HOUR_MS) },
  { type: "ip", value: "127.0.1.10", action: "allow", expires: new Date(Date.now() - HOUR_MS) },
];

const COUNTRIES = { "127.1.0.0/16": "DE", "127.2.0.0/16": "FR", "127.3.0.0/16": "CH" };

interface Row {
  readonly client: string;
  /** `pass`, or the reason. */
  readonly verdict: "pass" | "blocked_ip" | "blocked_cidr" | "blocked_country";
  readonly rule?: string;
  readonly shadow?: readonly string[];
}

const ROWS: readonly Row[] = [
  { client: "127.0.0.1", verdict: "pass" },
  { client: "127.0.0.2", verdict: "blocked_ip", rule: "ip:127.0.0.2" },
  { client: "127.0.0.3", verdict: "blocked_ip", rule: "ip:127.0.0.3" },
  { client: "127.0.1.1", verdict: "blocked_cidr", rule: "cidr:127.0.1.0/24" },
  { client: "127.0.1.7", verdict: "pass", rule: "ip:127.0.1.7" },
  { client: "127.0.1.130", verdict: "pass", rule: "cidr:127.0.1.128/25" },
  { client: "127.0.2.2", verdict: "pass", rule: "cidr:127.0.2.0/24" },
  { client: "127.1.2.3", verdict: "blocked_country", rule: "country:DE" },
  { client: "127.1.0.9", verdict: "pass", rule: "ip:127.1.0.9" },
  { client: "127.3.2.1", verdict: "pass" },
  { client: "127.2.2.1", verdict: "pass", shadow: ["country:FR"] },
  { client: "127.0.3.1", verdict: "pass", shadow: ["ip:127.0.3.1", "cidr:127.0.3.0/24"] },
  { client: "127.0.1.9", verdict: "blocked_cidr", rule: "cidr:127.0.1.0/24", shadow: ["ip:127.0.1.9"] },
  { client: "127.0.4.1", verdict: "pass" },
  { client: "127.0.4.2", verdict: "blocked_ip", rule: "ip:127.0.4.2" },
  { client: "127.0.1.10", verdict: "blocked_cidr", rule: "cidr:127.0.1.0/24" },
];

Deno.test("a blocked client gets ECONNRESET and not one byte, and no other does", async (t) => {
  await using backend = echoBackend();
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-test-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const geoip_db = `${folder}/countries.mmdb`;
  await Deno.writeFile(geoip_db, countryDatabase(COUNTRIES));
  const route = { hostname: "a.test", backend: backend.addr };
  const mappedPort = freePort();
  const tables = {
    listeners: [{ routes: [route] }, { addr: `[::]:${mappedPort}`, routes: [route] }],
    // Loopback addresses are never of unknown country.
    firewall: { geoip_db, block_unknown_country: true, rules: RULES },
  };
  let served = 0;
  const events = await serveQuietly(tables, async ({ addr, program }) => {
    for (const [listener, to] of [["IPv4", addr], ["[::]", `127.0.0.1:${mappedPort}`]] as const) {
      for (const { client, verdict, rule, shadow } of ROWS) {
        await t.step(`${client} at the ${listener} listener: ${verdict} ${rule ?? ""}`, async () => {
          const from = program.events.length;
          const seen = await exchangeFrom(client, to, HELLO);
          if (verdict === "pass") {
            assert.deepEqual(seen, { bytes: HELLO, end: "FIN" });
            served++;
          } else {
            // EPIPE when the RST was there before the hello was written.
            assert.ok(["ECONNRESET", "EPIPE"].includes(seen.end), seen.end);
            assert.deepEqual(seen.bytes, NOTHING);
            assert.deepEqual(await exchangeFrom(client, to), { bytes: NOTHING, end: "ECONNRESET" });
          }
          const isOurs = (event: Readonly<Record<string, unknown>>) =>
            event["event"] === "connection" && String(event["client"]).startsWith(`${client}:`);
          const event = await program.event(isOurs, 10_000, from);
          const reason = verdict === "pass" ? "client_eof" : verdict;
          assert.deepEqual(
            { reason: event["reason"], rule: event["rule"], shadow: event["shadow"] },
            { reason, rule, shadow },
          );
          assert.equal(event["bytes_sent"], verdict === "pass" ? HELLO.length : 0);
        });
      }
    }
  });
  assert.equal(backend.connections.length, served);
  const blocked = ROWS.filter(({ verdict }) => verdict !== "pass").length;
  assert.equal(events.length, 2 * (ROWS.length + blocked));
});

const SHORTHAND = [
  { client: "127.0.0.1", end: "FIN" },
  { client: "127.0.0.2", end: "ECONNRESET" },
  { client: "127.0.1.200", end: "ECONNRESET" },
];

Deno.test("the shorthand lists of the configuration block as rules do", async (t) => {
  await using backend = echoBackend();
  const tables = {
    listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }],
    firewall: { blocked_ips: ["127.0.0.2"], blocked_cidrs: ["127.0.1.0/24"] },
    proxy: { client_hello_timeout: "200ms" },
  };
  await serveQuietly(tables, async ({ addr }) => {
    for (const { client, end } of SHORTHAND) {
      await t.step(client, async () => {
        assert.deepEqual(await exchangeFrom(client, addr), { bytes: NOTHING, end });
      });
    }
  });
  assert.equal(backend.connections.length, 0);
});

const EXPIRES_IN_MS = 4_000;

Deno.test("a rule that expires while the program runs blocks until then and not after", async () => {
  await using backend = echoBackend();
  const expires = new Date(Date.now() + EXPIRES_IN_MS);
  const tables = {
    listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }],
    firewall: { rules: [{ type: "ip", value: "127.0.0.2", expires }] },
  };
  await serveQuietly(tables, async ({ addr }) => {
    const ends: string[] = [];
    for (let passed = false; !passed;) {
      const before = Date.now();
      const { end } = await exchangeFrom("127.0.0.2", addr, HELLO);
      if (Date.now() < expires.getTime()) assert.notEqual(end, "FIN");
      if (before > expires.getTime()) assert.equal(end, "FIN");
      ends.push(end);
      passed = end === "FIN";
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok(ends.length > 1, "the rule never matched");
  });
  assert.equal(backend.connections.length, 1);
});
