import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import { CountryDatabase } from "../../src/net/geoip.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { countryDatabase } from "./country_database_builder.ts";

const BYTES = countryDatabase({ "127.0.0.0/8": "DE", "10.1.0.0/16": "FR", "192.0.2.7/32": "XK" });

function lookup(database: CountryDatabase, address: string): string | undefined {
  return database.country(parseIpAddress(address)!);
}

function neverFails(): void {
  assert.fail("a lookup failed");
}

Deno.test("country() finds what the database says and nothing else", () => {
  const database = new CountryDatabase(BYTES, neverFails);
  const check = (address: string, expected: string | undefined) =>
    assert.equal(lookup(database, address), expected, address);
  check("127.0.0.1", "DE");
  check("127.255.255.255", "DE");
  check("128.0.0.0", undefined);
  check("10.1.2.3", "FR");
  check("10.2.0.0", undefined);
  check("192.0.2.7", "XK");
  check("192.0.2.6", undefined);
});

Deno.test("country() works on bytes that stand somewhere in a larger memory", () => {
  const memory = new Uint8Array(4_096 + BYTES.length + 4_096).fill(0xff);
  memory.set(BYTES, 4_096);
  const database = new CountryDatabase(memory.subarray(4_096, 4_096 + BYTES.length), neverFails);
  assert.equal(lookup(database, "127.0.0.1"), "DE");
});

Deno.test("builtAtMs is the database's own time in milliseconds", () => {
  const built = new CountryDatabase(countryDatabase({ "127.0.0.0/8": "DE" }, 1_790_000_000), neverFails);
  assert.equal(built.builtAtMs, 1_790_000_000_000);
});

Deno.test("CountryDatabase refuses bytes that are no database", () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(1_000), BYTES.subarray(0, BYTES.length / 2)]) {
    assert.throws(
      () => new CountryDatabase(bytes, neverFails),
      (error) => error instanceof ProxyError && error.code === "unavailable",
    );
  }
});

Deno.test("country() says unknown, counts and never throws when a database is damaged at any byte", () => {
  let failed = 0;
  let refused = 0;
  for (let at = 0; at < BYTES.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const damaged = BYTES.slice();
      damaged[at]! ^= flip;
      try {
        const database = new CountryDatabase(damaged, () => failed++);
        for (const address of ["127.0.0.1", "10.1.2.3", "192.0.2.7", "8.8.8.8", "::1"]) {
          const code = lookup(database, address);
          assert.ok(code === undefined || typeof code === "string");
        }
      } catch (error) {
        assert.ok(error instanceof ProxyError && error.code === "unavailable", String(error));
        refused++;
      }
    }
  }
  assert.ok(failed > 0 && refused > 0, `${failed} lookups failed, ${refused} databases refused`);
});
