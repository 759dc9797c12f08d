import assert from "node:assert/strict";
import { formatIssue } from "../../src/config/issue.ts";
import { parseConfig } from "../../src/config/parse.ts";

const DATABASE = '[database]\npath = "a.db"\n';
const ROUTE = 'hostname = "a.example"\nbackend = "127.0.0.1:1"\n';
const LISTENER = '[[listeners]]\naddr = ":443"\n';
const LAYER_7 = `${LISTENER}[[listeners.routes]]\n${ROUTE}mode = "l7"\ntls_cert = "c"\ntls_key = "k"\n`;

interface Row {
  readonly name: string;
  readonly toml: string;
  readonly issues: readonly string[];
}

const DURATION = 'wanted a duration such as "1m30s"';

const ROWS: readonly Row[] = [
  { name: "an empty file", toml: "", issues: ["database.path: wanted a path, got nothing"] },
  {
    name: "an empty path",
    toml: '[database]\npath = ""',
    issues: ['database.path: wanted a path, got ""'],
  },
  {
    name: "a section that is no table",
    toml: "database = 5",
    issues: ["database: wanted a table [database], got 5"],
  },
  {
    name: "a list of tables that is one table",
    toml: `${DATABASE}[listeners]\naddr = ":443"`,
    issues: ["listeners: wanted tables [[listeners]], got a table"],
  },
  {
    name: "a list of tables with something else",
    toml: `listeners = [{ addr = ":443" }, "x"]\n${DATABASE}`,
    issues: ['listeners[1]: wanted a table [[listeners]], got "x"'],
  },
  {
    name: "an unknown section",
    toml: `${DATABASE}[firewal]\n`,
    issues: ["firewal: wanted a known section, got an unknown one (did you mean firewall?)"],
  },
  {
    name: "an unknown key",
    toml: `${DATABASE}[proxy]\nidle_timout = "5s"`,
    issues: ["proxy.idle_timout: wanted a known key, got an unknown one (did you mean idle_timeout?)"],
  },
  {
    name: "an unknown key near no known one",
    toml: `${DATABASE}[proxy]\ncolour = 1`,
    issues: ["proxy.colour: wanted a known key, got an unknown one"],
  },
  {
    name: "a key in the wrong section",
    toml: `${DATABASE}geoip_db = "x"`,
    issues: ["database.geoip_db: wanted a known key, got an unknown one (did you mean [firewall] geoip_db?)"],
  },
  {
    name: "a key that needs quotes",
    toml: `${DATABASE}"a b" = 1\n"__proto__" = 1\n"constructor" = 2`,
    issues: [
      'database."a b": wanted a known key, got an unknown one',
      "database.__proto__: wanted a known key, got an unknown one",
      "database.constructor: wanted a known key, got an unknown one",
    ],
  },
  {
    name: "a limit that is never off",
    toml: `${DATABASE}[proxy]\nconnect_timeout = 0`,
    issues: [`proxy.connect_timeout: ${DURATION}, from "1ms" to "1m", got 0`],
  },
  {
    name: "a duration without a unit",
    toml: `${DATABASE}[proxy]\nidle_timeout = 60`,
    issues: [`proxy.idle_timeout: ${DURATION}, up to "720h" (0 = off), got 60`],
  },
  {
    name: "a duration over its maximum",
    toml: `${DATABASE}[proxy]\ndrain_delay = "1h1ms"`,
    issues: [`proxy.drain_delay: ${DURATION}, up to "1h", got "1h1ms"`],
  },
  {
    name: "numbers that are no whole numbers in range",
    toml: `${DATABASE}[proxy]\nworkers = 1.0\nmax_connections = 99999999999999999999`,
    issues: [
      "proxy.max_connections: wanted a whole number from 0 to 10000000 (0 = chosen at start), got 99999999999999999999",
      "proxy.workers: wanted a whole number from 0 to 64 (0 = chosen at start), got 1.0",
    ],
  },
  {
    name: "values of the wrong kind",
    toml:
      `${DATABASE}[log]\nlevel = "loud"\nformat = true\n[metrics]\ntextfile = []\n[firewall]\nblocked_ips = "1.1.1.1"`,
    issues: [
      'firewall.blocked_ips: wanted a list, each item an IPv4 or IPv6 address without zone or prefix length, got "1.1.1.1"',
      "metrics.textfile: wanted a path, got an empty list",
      'log.level: wanted "error" or "warning" or "info" or "debug", got "loud"',
      'log.format: wanted "json" or "text", got true',
    ],
  },
  {
    name: "a listener without an address",
    toml: `${DATABASE}[[listeners]]\nmax_connections = -1`,
    issues: [
      'listeners[0].addr: wanted an IP address and port such as "0.0.0.0:443", "[::]:443" or ":443" (every IPv4 and IPv6 address), got nothing',
      "listeners[0].max_connections: wanted a whole number from 0 to 10000000 (0 = no limit), got -1",
    ],
  },
  {
    name: "listeners that overlap",
    toml: `${DATABASE}${LISTENER}[[listeners]]\naddr = "127.0.0.1:443"`,
    issues: [
      'listeners[1].addr: wanted an address that no other listener covers, got "127.0.0.1:443", which overlaps listeners[0]',
    ],
  },
  {
    name: "a hostname twice, spelled differently, after a route with a mistake",
    toml:
      `${DATABASE}${LISTENER}[[listeners.routes]]\nhostname = "a..b"\nbackend = "a:1"\n[[listeners.routes]]\n${ROUTE}` +
      `[[listeners.routes]]\nhostname = "A.Example."\nbackend = "a"\n`,
    issues: [
      'listeners[0].routes[0].hostname: wanted a DNS name in ASCII (punycode), "*.example.org", or "*", got "a..b"',
      'listeners[0].routes[2].backend: wanted host:port, such as "127.0.0.1:8443", "[::1]:8443" or "app.internal:8443", got "a"',
      'listeners[0].routes[2].hostname: wanted a hostname once per listener, got "a.example", the same as listeners[0].routes[1]',
    ],
  },
  {
    name: "layer 7 keys on a layer 4 route",
    toml:
      `${DATABASE}${LISTENER}[[listeners.routes]]\n${ROUTE}tls_cert = "c"\nbackend_tls = false\nmode = "l4"`,
    issues: [
      'listeners[0].routes[0].tls_cert: wanted no such key unless mode = "l7", got "c"',
      'listeners[0].routes[0].backend_tls: wanted no such key unless mode = "l7", got false',
    ],
  },
  {
    name: "layer 7 keys on a route whose mode is a mistake",
    toml: `${DATABASE}${LISTENER}[[listeners.routes]]\n${ROUTE}tls_cert = "c"\nmode = "L7"`,
    issues: ['listeners[0].routes[0].mode: wanted "l4" or "l7", got "L7"'],
  },
  {
    name: "a layer 7 route without certificate and key",
    toml: `${DATABASE}${LISTENER}[[listeners.routes]]\n${ROUTE}mode = "l7"\ntls_key = 5`,
    issues: [
      "listeners[0].routes[0].tls_key: wanted a path, got 5",
      'listeners[0].routes[0].tls_cert: wanted a PEM file, got ""',
    ],
  },
  {
    name: "layer 7 keys against each other",
    toml: `${DATABASE}${LAYER_7}backend_protocol = "h2"\nbackend_tls = false\nbackend_ca = "ca"`,
    issues: [
      'listeners[0].routes[0].backend_protocol: wanted backend_tls = true for backend_protocol "h2"; "h2c" is HTTP/2 in clear, got "h2"',
      'listeners[0].routes[0].backend_ca: wanted nothing without backend_tls, got "/etc/mc-proxy/ca"',
    ],
  },
  {
    name: "the PROXY protocol from nobody",
    toml: `${DATABASE}${LISTENER}proxy_protocol = true`,
    issues: [
      "listeners[0].trusted_proxies: wanted the load balancers that may send PROXY headers, because proxy_protocol is true, got []",
    ],
  },
  {
    name: "the PROXY protocol from a range with host bits, and from a name",
    toml: `${DATABASE}${LISTENER}proxy_protocol = true\ntrusted_proxies = ["10.1.2.3/8", "lb"]`,
    issues: [
      'listeners[0].trusted_proxies[0]: wanted a CIDR with host bits zero, such as "10.0.0.0/8", got "10.1.2.3/8"',
      'listeners[0].trusted_proxies[1]: wanted an IP address, or a CIDR with host bits zero, got "lb"',
    ],
  },
  {
    name: "rules that match nothing",
    toml:
      `${DATABASE}[firewall]\ngeoip_db = "g"\nblocked_ips = ["1.1.1.1", "1.1.1.256"]\nblocked_cidrs = ["10.1.0.0/8"]\n` +
      `blocked_countries = ["de", "UK"]\n[[firewall.rules]]\ntype = "ip"\nvalue = "10.0.0.0/8"\n[[firewall.rules]]\ntype = "asn"`,
    issues: [
      'firewall.blocked_ips[1]: wanted an IPv4 or IPv6 address without zone or prefix length, got "1.1.1.256"',
      'firewall.blocked_cidrs[0]: wanted a CIDR with host bits zero, such as "10.0.0.0/8", got "10.1.0.0/8"',
      'firewall.blocked_countries[1]: wanted an ISO 3166-1 alpha-2 country code such as "DE", or "XK", got "UK"',
      'firewall.rules[0].value: wanted an IPv4 or IPv6 address without zone or prefix length, got "10.0.0.0/8"',
      'firewall.rules[1].type: wanted "ip" or "cidr" or "country", got "asn"',
      "firewall.rules[1].value: wanted a text on one line, got nothing",
    ],
  },
  {
    name: "a long comment, after shorthand rules and a rule with a mistake",
    toml: `${DATABASE}[firewall]\nblocked_ips = ["1.1.1.1"]\n[[firewall.rules]]\ntype = "ip"\nvalue = "x"\n` +
      `[[firewall.rules]]\ntype = "ip"\nvalue = "::1"\ncomment = "${"x".repeat(201)}"`,
    issues: [
      'firewall.rules[0].value: wanted an IPv4 or IPv6 address without zone or prefix length, got "x"',
      "firewall.rules[1].comment: wanted at most 200 characters, got 201 characters",
    ],
  },
  {
    name: "one address blocked too often",
    toml: `${DATABASE}[firewall]\nblocked_ips = [${'"1.1.1.1",'.repeat(65)}]`,
    issues: ['firewall.blocked_ips: wanted at most 64 rules for one value, got more for "1.1.1.1"'],
  },
  ...[
    "2030-01-31",
    "2030-01-31T12:00:00",
    "12:00:00",
    '"soon"',
    '"2030-02-30T00:00:00Z"',
    '"2030-01-31T24:00:00Z"',
  ]
    .map((expires): Row => ({
      name: `the expiry ${expires}`,
      toml: `${DATABASE}[[firewall.rules]]\ntype = "ip"\nvalue = "::1"\nexpires = ${expires}`,
      issues: [
        `firewall.rules[0].expires: wanted a date and time with an offset, such as 2030-01-31T12:00:00Z, got ${expires}`,
      ],
    })),
  {
    name: "a day that isn't",
    toml: `${DATABASE}[[firewall.rules]]\ntype = "ip"\nvalue = "::1"\nexpires = 2030-02-30T00:00:00Z`,
    issues: [
      "line 6, column 11: wanted valid TOML, got a mistake (Temporal error: Parsed day value not in a valid range.)",
    ],
  },
  {
    name: "countries without a database",
    toml: `${DATABASE}[firewall]\nblocked_countries = ["DE"]`,
    issues: [
      "firewall.geoip_db: wanted the path of a country database, as rules name countries, got nothing",
    ],
  },
  {
    name: "unknown countries without a database",
    toml: `${DATABASE}[firewall]\nblock_unknown_country = true`,
    issues: [
      "firewall.geoip_db: wanted the path of a country database, as block_unknown_country is true, got nothing",
    ],
  },
  {
    name: "an admin API without an address",
    toml: `${DATABASE}[grpc]\n`,
    issues: [
      'grpc.addr: wanted a Unix socket such as "unix:admin.sock", or an address and port such as "127.0.0.1:9090", got nothing',
    ],
  },
  ...["unix:", "localhost:9090", "127.0.0.1:0", "9090"].map((addr): Row => ({
    name: `an admin API at ${addr}`,
    toml: `${DATABASE}[grpc]\naddr = "${addr}"\ninsecure = true`,
    issues: [
      `grpc.addr: wanted a Unix socket such as "unix:admin.sock", or an address and port such as "127.0.0.1:9090", got "${addr}"`,
    ],
  })),
  {
    name: "an open admin API",
    toml: `${DATABASE}[grpc]\naddr = "0.0.0.0:9090"\ninsecure = true`,
    issues: [
      "grpc.tls_cert: wanted a certificate with its tls_key, as addr is no loopback address, got nothing",
      "grpc.client_ca: wanted the CA of client certificates, as addr is no loopback address, got nothing",
    ],
  },
  {
    name: "an admin API on loopback that isn't said to be insecure",
    toml: `${DATABASE}[grpc]\naddr = "[::1]:9090"`,
    issues: ["grpc.tls_cert: wanted a certificate with its tls_key, or insecure = true, got nothing"],
  },
  {
    name: "an admin API on loopback that has TLS and asks nobody who he is",
    toml: `${DATABASE}[grpc]\naddr = "127.0.0.1:9090"\ntls_cert = "c"\ntls_key = "k"`,
    issues: ["grpc.client_ca: wanted the CA of client certificates, or insecure = true, got nothing"],
  },
  {
    name: "an admin API whose client certificates nobody can show",
    toml:
      `${DATABASE}[grpc]\naddr = "127.0.0.1:9090"\nclient_ca = "ca"\nallowed_clients = ["a"]\ninsecure = true`,
    issues: ["grpc.tls_cert: wanted a certificate with its tls_key, as client_ca is given, got nothing"],
  },
  {
    name: "an admin API whose clients' names nobody certifies",
    toml: `${DATABASE}[grpc]\naddr = "127.0.0.1:9090"\nread_only_clients = ["a"]\ninsecure = true`,
    issues: [
      "grpc.client_ca: wanted the CA of the clients that allowed_clients and read_only_clients name, got nothing",
    ],
  },
  {
    name: "an admin API on a Unix socket with what is for others",
    toml:
      `${DATABASE}[grpc]\naddr = "unix:s"\ntls_cert = "c"\ntls_key = "k"\nclient_ca = "ca"\nallowed_clients = ["a"]`,
    issues: ["tls_cert", "client_ca", "allowed_clients"].map((key) =>
      `grpc.${key}: wanted nothing, as addr is a Unix socket, to which its mode 0600 lets its owner alone, got a value`
    ),
  },
  {
    name: "an admin API with halves",
    toml: `${DATABASE}[grpc]\naddr = "127.0.0.1:9090"\ntls_cert = "c"\nclient_key = "k"\nclient_ca = "ca"`,
    issues: [
      "grpc.tls_key: wanted a path, as tls_cert has one, got nothing",
      "grpc.client_cert: wanted a path, as client_key has one, got nothing",
      "grpc.allowed_clients: wanted the names of the clients that client_ca is for, got nothing",
    ],
  },
  {
    name: "text that is no TOML",
    toml: `${DATABASE}[proxy]\nworkers == 1`,
    issues: ["line 4, column 10: wanted valid TOML, got a mistake (invalid value)"],
  },
  {
    name: "a table twice",
    toml: `${DATABASE}${DATABASE}`,
    issues: [
      "line 3, column 2: wanted valid TOML, got a mistake (trying to redefine an already defined table or value)",
    ],
  },
  {
    name: "mistakes in every section at once",
    toml:
      `[databas]\n[[listeners]]\naddr = "x"\n[[listeners.routes]]\n[grpc]\naddr = 5\n[firewall]\ngeoip_db = 1\n` +
      `[proxy]\nworkers = 65\n[http]\nmax_header_bytes = 0\n[metrics]\nx = 1\n[log]\nlevel = 1`,
    issues: [
      "databas: wanted a known section, got an unknown one (did you mean database?)",
      "database.path: wanted a path, got nothing",
      'listeners[0].addr: wanted an IP address and port such as "0.0.0.0:443", "[::]:443" or ":443" (every IPv4 and IPv6 address), got "x"',
      'listeners[0].routes[0].hostname: wanted a DNS name in ASCII (punycode), "*.example.org", or "*", got nothing',
      'listeners[0].routes[0].backend: wanted host:port, such as "127.0.0.1:8443", "[::1]:8443" or "app.internal:8443", got nothing',
      'grpc.addr: wanted a Unix socket such as "unix:admin.sock", or an address and port such as "127.0.0.1:9090", got 5',
      "firewall.geoip_db: wanted a path, got 1",
      "proxy.workers: wanted a whole number from 0 to 64 (0 = chosen at start), got 65",
      "http.max_header_bytes: wanted a whole number from 1 to 1048576, got 0",
      "metrics.x: wanted a known key, got an unknown one",
      'log.level: wanted "error" or "warning" or "info" or "debug", got 1',
    ],
  },
];

Deno.test("parseConfig() names every mistake with key path, wanted and got", async (t) => {
  for (const { name, toml, issues } of ROWS) {
    await t.step(name, () => {
      assert.deepEqual(parseConfig(toml, { folder: "/etc/mc-proxy" }).issues?.map(formatIssue), issues);
    });
  }
});

const KEY_TEXT = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";

Deno.test("parseConfig() shows no text of a key that was pasted into the file", async (t) => {
  for (
    const [section, key] of [["grpc", "tls_key"], ["grpc", "addr"], ["log", "level"], ["proxy", "workers"]]
  ) {
    await t.step(`${section}.${key}`, () => {
      const toml = `${DATABASE}[${section}]\n${key} = """${KEY_TEXT}"""`;
      const text = JSON.stringify(parseConfig(toml, { folder: "/" }).issues);
      assert.match(text, new RegExp(`${section}.${key}`));
      assert.doesNotMatch(text, /MIGH|BEGIN/);
    });
  }
  await t.step("a key on one line", () => {
    const toml = `${DATABASE}[log]\nlevel = "-----BEGIN PRIVATE KEY-----MIGH"`;
    assert.deepEqual(parseConfig(toml, { folder: "/" }).issues?.map(({ got }) => got), [
      "a text of 31 characters that is not shown",
    ]);
  });
  await t.step("a mistake of syntax", () => {
    const text = JSON.stringify(parseConfig(`tls_key = ${KEY_TEXT}`, { folder: "/" }).issues);
    assert.doesNotMatch(text, /MIGH|BEGIN/);
  });
});
