import assert from "node:assert/strict";
import fc from "fast-check";
import { formatDuration } from "../../src/config/duration.ts";
import { type BootConfig, parseConfig } from "../../src/config/parse.ts";
import { DEFAULT_LIMITS, type LimitRow, LIMITS } from "../../src/state/limits.ts";

function parsed(toml: string): BootConfig {
  const options = { folder: "/etc/mc-proxy" };
  const { config, issues } = parseConfig(`[database]\npath = "a.db"\n${toml}`, options);
  assert.deepEqual(issues, undefined);
  return config!;
}

const ROUTE_DEFAULTS = { enabled: true, mode: "l4", sendProxyProtocol: false, maxConnections: 0 };

Deno.test("parseConfig() gives every setting its default when only the database is named", () => {
  assert.deepEqual(parsed(""), {
    settings: {
      databasePath: "/etc/mc-proxy/a.db",
      geoipDb: "",
      blockUnknownCountry: false,
      limitMode: "enforce",
      limits: DEFAULT_LIMITS,
      metricsTextfile: "",
      logLevel: "info",
      logFormat: "json",
      logRequests: false,
    },
    seed: { listeners: [], firewallRules: [] },
    warnings: [],
  });
});

Deno.test("parseConfig() canonicalises listeners and routes", () => {
  const { seed } = parsed(`
[[listeners]]
addr = ":443"
max_connections = 7
[[listeners.routes]]
hostname = "Git.Example.ORG."
backend = "[::FFFF:127.0.0.1]:8443"
[[listeners.routes]]
hostname = "*.Example.org"
backend = "App.internal:1"
enabled = false
idle_timeout = 0
max_connections = 3
[[listeners]]
addr = "[2001:DB8::0]:8443"
[[listeners.routes]]
hostname = "*"
backend = "[::1]:2"
idle_timeout = "1m30s"
`);
  assert.deepEqual(seed.listeners, [
    {
      address: { host: "::", port: 443 },
      maxConnections: 7,
      proxyProtocol: false,
      trustedProxies: [],
      routes: [
        { ...ROUTE_DEFAULTS, hostname: "git.example.org", backend: { host: "127.0.0.1", port: 8443 } },
        {
          ...ROUTE_DEFAULTS,
          hostname: "*.example.org",
          backend: { host: "app.internal", port: 1 },
          enabled: false,
          idleTimeoutMs: 0,
          maxConnections: 3,
        },
      ],
    },
    {
      address: { host: "2001:db8::", port: 8443 },
      maxConnections: 0,
      proxyProtocol: false,
      trustedProxies: [],
      routes: [
        { ...ROUTE_DEFAULTS, hostname: "*", backend: { host: "::1", port: 2 }, idleTimeoutMs: 90_000 },
      ],
    },
  ]);
});

Deno.test("parseConfig() turns blocked_ips, blocked_cidrs and blocked_countries into rules before the rules", () => {
  const { settings, seed } = parsed(`
[firewall]
geoip_db = "geo/country.mmdb"
block_unknown_country = true
blocked_ips = ["::ffff:192.0.2.1", "2001:DB8::1"]
blocked_cidrs = ["10.0.0.0/8"]
blocked_countries = ["de"]
[[firewall.rules]]
type = "cidr"
value = "2001:DB8::/32"
action = "allow"
mode = "shadow"
expires = 2030-01-31T12:00:00+02:00
comment = "ours"
[[firewall.rules]]
type = "ip"
value = "192.0.2.1"
expires = "2030-01-31t12:00:00.5z"
`);
  const shorthand = { action: "block", mode: "enforce", comment: "" };
  assert.equal(settings.geoipDb, "/etc/mc-proxy/geo/country.mmdb");
  assert.equal(settings.blockUnknownCountry, true);
  assert.deepEqual(seed.firewallRules, [
    { type: "ip", value: "192.0.2.1", ...shorthand },
    { type: "ip", value: "2001:db8::1", ...shorthand },
    { type: "cidr", value: "10.0.0.0/8", ...shorthand },
    { type: "country", value: "DE", ...shorthand },
    {
      type: "cidr",
      value: "2001:db8::/32",
      action: "allow",
      mode: "shadow",
      expiresAtMs: Date.UTC(2030, 0, 31, 10),
      comment: "ours",
    },
    { type: "ip", value: "192.0.2.1", ...shorthand, expiresAtMs: Date.UTC(2030, 0, 31, 12) + 500 },
  ]);
});

const LAYER_7 = { tlsCert: "/etc/mc-proxy/c", tlsKey: "/k", backendCa: "", backendServerName: "" };
const LAYER_7_ROWS: readonly [toml: string, expected: Record<string, unknown>][] = [
  ["", { backendProtocol: "h2c", backendTls: false }],
  ["backend_tls = true", { backendProtocol: "h2", backendTls: true }],
  ['backend_protocol = "h2"', { backendProtocol: "h2", backendTls: true }],
  ['backend_protocol = "http/1.1"', { backendProtocol: "http/1.1", backendTls: false }],
  ['backend_protocol = "http/1.1"\nbackend_tls = true', { backendProtocol: "http/1.1", backendTls: true }],
  ["max_body_bytes = 0", { backendProtocol: "h2c", backendTls: false, maxBodyBytes: 0 }],
];

Deno.test("parseConfig() fills in what a layer 7 route leaves open", async (t) => {
  for (const [toml, expected] of LAYER_7_ROWS) {
    await t.step(toml, () => {
      const { seed } = parsed(
        '[[listeners]]\naddr = ":443"\n[[listeners.routes]]\nhostname = "a.example"\nbackend = "127.0.0.1:1"\n' +
          `mode = "l7"\ntls_cert = "c"\ntls_key = "/k"\n${toml}`,
      );
      assert.deepEqual(seed.listeners[0]!.routes[0]!.l7, { ...LAYER_7, ...expected });
    });
  }
});

Deno.test("parseConfig() makes the paths of the admin API's socket and of the metrics absolute", () => {
  const { settings, warnings } = parsed(
    '[grpc]\naddr = "unix:run/admin.sock"\n[metrics]\ntextfile = "m.prom"',
  );
  assert.equal(settings.grpc?.addr, "unix:/etc/mc-proxy/run/admin.sock");
  assert.equal(settings.metricsTextfile, "/etc/mc-proxy/m.prom");
  assert.deepEqual(warnings, []);
});

const GRPC_ROWS: readonly [toml: string, addr: string][] = [
  ['addr = "127.0.0.1:9090"\ninsecure = true', "127.0.0.1:9090"],
  ['addr = "[::1]:9090"\ntls_cert = "c"\ntls_key = "k"\ninsecure = true', "[::1]:9090"],
  [
    'addr = "127.0.0.1:9090"\ntls_cert = "c"\ntls_key = "k"\nclient_ca = "ca"\nallowed_clients = ["ops"]',
    "127.0.0.1:9090",
  ],
  [
    'addr = ":9090"\ntls_cert = "c"\ntls_key = "k"\nclient_ca = "ca"\nread_only_clients = ["grafana"]',
    "[::]:9090",
  ],
];

Deno.test("parseConfig() takes an admin API that nobody can reach unasked", async (t) => {
  for (const [toml, addr] of GRPC_ROWS) {
    await t.step(addr, () => assert.equal(parsed(`[grpc]\n${toml}`).settings.grpc?.addr, addr));
  }
});

Deno.test("parseConfig() reads each limit from its key, up to its maximum and no further", () => {
  const rows: readonly [string, LimitRow][] = Object.entries(LIMITS);
  const cases = fc.constantFrom(...rows).chain(([name, row]) => {
    const min = row.zero === "refused" ? 1 : 0;
    return fc.record({
      name: fc.constant(name),
      row: fc.constant(row),
      value: fc.nat(row.max).map((n) => Math.max(n, min)),
    });
  });
  const tomlOf = (row: LimitRow, value: number) => {
    const [section, key] = row.key.split(".");
    return `[${section}]\n${key} = ${row.unit === "duration" ? `"${formatDuration(value)}"` : value}`;
  };
  fc.assert(fc.property(cases, ({ name, row, value }) => {
    assert.deepEqual(parsed(tomlOf(row, value)).settings.limits, { ...DEFAULT_LIMITS, [name]: value });
    const over = `[database]\npath = "a"\n${tomlOf(row, row.max + 1)}`;
    assert.equal(parseConfig(over, { folder: "/" }).issues?.[0]?.path, row.key);
  }));
});

Deno.test("parseConfig() gives a configuration or mistakes for any TOML, and never throws", () => {
  const words = fc.constantFrom(
    "[database]",
    "[[listeners]]",
    "[[listeners.routes]]",
    "[grpc]",
    "[firewall]",
    "[[firewall.rules]]",
    "[proxy]",
    'path = "a"',
    'addr = ":1"',
    'addr = "unix:"',
    'hostname = "*"',
    'backend = "a:1"',
    'mode = "l7"',
    "expires = 1979-05-27",
    'type = "ip"',
    "value = 1",
    "x = {y = [1, {}]}",
    "routes = [[]]",
    "rules = [{}]",
    "workers = nan",
    "= 1",
    "[proxy",
    '"""',
  ); // deno-fmt-ignore
  fc.assert(fc.property(fc.array(words, { maxLength: 12 }), (lines) => {
    const { config, issues } = parseConfig(lines.join("\n"), { folder: "/" });
    assert.ok((config === undefined) !== (issues === undefined));
    assert.ok(issues === undefined || issues.length > 0);
  }));
});
