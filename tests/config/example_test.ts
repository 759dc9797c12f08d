import assert from "node:assert/strict";
import { parse } from "smol-toml";
import readme from "../../README.md" with { type: "text" };
import example from "../../mc-proxy.toml.example" with { type: "text" };
import { parseConfig } from "../../src/config/parse.ts";
import { LAYER_7_KEYS, SECTIONS } from "../../src/config/schema.ts";
import { DEFAULT_LIMITS, type LimitRow, LIMITS } from "../../src/state/limits.ts";

const FOLDER = "/etc/mc-proxy";
/** The example with its layer 7 route, which stands there as a comment. */
const COMPLETE = example.replaceAll(/^( *)#l7 /gm, "$1");

Deno.test("mc-proxy.toml.example is a configuration that this version accepts", () => {
  const { issues, config } = parseConfig(example, { folder: FOLDER });
  assert.deepEqual(issues, undefined);
  assert.deepEqual(config?.settings.limits, DEFAULT_LIMITS);
  assert.equal(config?.settings.databasePath, "/etc/mc-proxy/srv/mc-proxy.db");
  assert.equal(config?.seed.listeners[0]?.routes[0]?.hostname, "git.example.org");
  assert.equal(config?.seed.listeners[0]?.routes[0]?.idleTimeoutMs, 3_600_000);
  assert.equal(config?.seed.firewallRules[0]?.expiresAtMs, Date.UTC(2030, 0, 31, 12));
});

Deno.test("mc-proxy.toml.example is right with its layer 7 route, too", () => {
  const { issues, config } = parseConfig(COMPLETE, { folder: FOLDER });
  assert.deepEqual(issues, undefined);
  assert.deepEqual(config?.seed.listeners[0]?.routes[1]?.l7, {
    tlsCert: "/etc/mc-proxy/tls/app.crt",
    tlsKey: "/etc/mc-proxy/tls/app.key",
    backendTls: true,
    backendCa: "",
    backendServerName: "",
    backendProtocol: "h2",
    acmeBackend: { host: "127.0.0.1", port: 8444 },
    maxBodyBytes: 10_485_760,
  });
});

Deno.test("README.md's configuration is right, and has a route of each kind", () => {
  const [, text] = /```toml\n([^]*?)```/.exec(readme)!;
  const { issues, config } = parseConfig(text!, { folder: FOLDER });
  assert.deepEqual(issues, undefined);
  const routes = config!.seed.listeners[0]!.routes;
  assert.deepEqual(routes.map(({ l7 }) => l7?.backendProtocol), [undefined, "http/1.1"]);
});

Deno.test("mc-proxy.toml.example has every key of the schema and no other", () => {
  const known = SECTIONS.flatMap(({ name, keys }) => Object.keys(keys).map((key) => `${name}.${key}`));
  assert.deepEqual([...namesOf("", parse(COMPLETE))].sort(), known.sort());
});

Deno.test("mc-proxy.toml.example states every key's default", () => {
  const stated = new Map<string, string>();
  let section = "";
  let comment = "";
  for (const line of COMPLETE.split("\n").map((line) => line.trim())) {
    const header = /^\[+([a-z._]+)\]+$/.exec(line);
    const key = /^([a-z0-9_]+) = /.exec(line);
    if (line.startsWith("#")) comment += `${line.slice(1)} `;
    else if (header !== null) section = header[1]!;
    else if (key !== null && comment !== "") {
      // The layer 7 route repeats three keys without a comment.
      stated.set(`${section}.${key[1]}`, /Default: (.+)\. $/.exec(comment)?.[1] ?? `unstated: ${comment}`);
    }
    if (!line.startsWith("#")) comment = "";
  }
  const expected = SECTIONS.flatMap(({ name, keys }) =>
    Object.entries(keys).map(([key, { defaultText }]) => [`${name}.${key}`, defaultText])
  );
  const needed = new Set(["listeners.routes.tls_cert", "listeners.routes.tls_key"]);
  assert.deepEqual(
    Object.fromEntries(stated),
    Object.fromEntries(
      expected.map(([name, text]) => [name, needed.has(name!) ? `${text}, required for l7` : text]),
    ),
  );
});

Deno.test("mc-proxy.toml.example says of every limit what the table of limits says", async (t) => {
  const rows: readonly LimitRow[] = Object.values(LIMITS);
  const text = example.toLowerCase();
  for (const { key, meaning } of rows) {
    await t.step(key, () => assert.ok(text.includes(`# ${meaning.toLowerCase()}`), meaning));
  }
});

Deno.test("mc-proxy.toml.example names each key's legal words", async (t) => {
  for (const { name, keys } of SECTIONS) {
    for (const [key, schema] of Object.entries(keys)) {
      const words = schema.list
        ? []
        : schema.wanted.match(/^"[^"]+"(?: or "[^"]+")+$/)?.[0].split(" or ") ?? [];
      for (const word of words) {
        await t.step(`${name}.${key} ${word}`, () => assert.ok(COMPLETE.includes(word)));
      }
    }
  }
});

Deno.test("LAYER_7_KEYS are keys that the example shows on a layer 7 route only", () => {
  const listener = (parse(COMPLETE) as { listeners: { routes: Record<string, unknown>[] }[] }).listeners[0];
  assert.deepEqual(LAYER_7_KEYS.filter((key) => Object.hasOwn(listener!.routes[0]!, key)), []);
  assert.deepEqual(LAYER_7_KEYS.filter((key) => !Object.hasOwn(listener!.routes[1]!, key)), []);
});

/** `section.key` of every value; lists of tables are one section. */
function namesOf(at: string, value: unknown): Set<string> {
  if (Array.isArray(value) && value.every((item) => typeof item === "object") && value.length > 0) {
    return new Set(value.flatMap((item) => [...namesOf(at, item)]));
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)) {
    const entries = Object.entries(value);
    return new Set(entries.flatMap(([key, item]) => [...namesOf(at === "" ? key : `${at}.${key}`, item)]));
  }
  return new Set([at]);
}
