import assert from "node:assert/strict";
import { type CheckReport, reportCheck } from "../../src/cli/check_report.ts";
import { renderCheck, renderJson, renderSnapshot, renderVersion } from "../../src/cli/render.ts";
import { parseConfig } from "../../src/config/parse.ts";

function reportOf(toml: string, databaseExists = false): CheckReport {
  const { config, issues } = parseConfig(toml, { folder: "/etc" });
  assert.deepEqual(issues, undefined);
  return reportCheck("mc.toml", config!, databaseExists);
}

const DATABASE = '[database]\npath = "a.db"\n';
const FULL = `${DATABASE}
[[listeners]]
addr = ":443"
[[listeners.routes]]
hostname = "git.example.org"
backend = "127.0.0.1:8443"
[[listeners.routes]]
hostname = "*"
backend = "[::1]:1"
enabled = false
idle_timeout = "5m"
max_connections = 10
send_proxy_protocol = true
[[listeners]]
addr = "127.0.0.1:444"
max_connections = 9
proxy_protocol = true
trusted_proxies = ["10.0.0.0/8", "::1"]
[firewall]
geoip_db = "geo.mmdb"
block_unknown_country = true
blocked_ips = ["1.1.1.1", "1.1.1.2"]
[[firewall.rules]]
type = "ip"
value = "1.1.1.3"
mode = "shadow"
[[firewall.rules]]
type = "cidr"
value = "10.0.0.0/8"
action = "allow"
[proxy]
connect_timeout = "3s"
workers = 1
[http]
max_body_bytes = 1000
`;

interface Row {
  readonly name: string;
  readonly report: () => CheckReport;
  readonly text: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    name: "an empty configuration",
    report: () => reportOf(DATABASE),
    text: [
      "mc.toml: no mistakes",
      "database /etc/a.db (new: the first start fills it with what follows)",
      "no listener: nothing is served",
      "firewall: 0 rules",
      "limits: all at their defaults",
    ],
  },
  {
    name: "everything",
    report: () => reportOf(FULL),
    text: [
      "mc.toml: no mistakes",
      "database /etc/a.db (new: the first start fills it with what follows)",
      "listener [::]:443",
      "  git.example.org  -> 127.0.0.1:8443  l4",
      "  *                -> [::1]:1         l4  disabled, idle_timeout 5m, at most 10 connections, sends the PROXY protocol",
      "listener 127.0.0.1:444 (at most 9 connections; PROXY protocol from 10.0.0.0/8, ::1; no routes: every connection is refused)",
      "firewall: 4 rules",
      "  allow  cidr  1",
      "  block  ip    2 enforced, 1 shadow",
      "  country database /etc/geo.mmdb",
      "  unknown countries are blocked",
      "limits that differ from their defaults:",
      "  proxy.connect_timeout  3s    (default 5s)",
      "  proxy.workers          1     (default 0)",
      "  http.max_body_bytes    1000  (default 0)",
    ],
  },
  {
    name: "a file of no use",
    report: () => ({
      ...reportOf(DATABASE),
      problems: [{ level: "error", what: "geoip", detail: "gone" }, {
        level: "warning",
        what: "x",
        detail: "soon",
      }],
    }),
    text: [
      "mc.toml: 1 thing is wrong, see the end",
      "database /etc/a.db (new: the first start fills it with what follows)",
      "no listener: nothing is served",
      "firewall: 0 rules",
      "limits: all at their defaults",
      "error: geoip: gone",
      "warning: x: soon",
    ],
  },
  {
    name: "a database that exists, and a warning",
    report: () => ({
      ...reportOf(`${DATABASE}[[firewall.rules]]\ntype = "ip"\nvalue = "::1"`, true),
      warnings: ["one"],
    }),
    text: [
      "mc.toml: no mistakes",
      "database /etc/a.db (exists: its own listeners, routes and firewall rules are served, not those below)",
      "no listener: nothing is served",
      "firewall: 1 rule",
      "  block  ip  1",
      "limits: all at their defaults",
      "warning: one",
    ],
  },
];

Deno.test("renderCheck() says what would be served", async (t) => {
  for (const { name, report, text } of ROWS) {
    await t.step(name, () => assert.deepEqual(renderCheck(report()).split("\n"), [...text, ""]));
  }
});

Deno.test("renderJson() of a check has the names of the TOML file", () => {
  assert.deepEqual(JSON.parse(renderJson(reportOf(FULL))), {
    file: "mc.toml",
    database: { path: "/etc/a.db", exists: false },
    listeners: [
      {
        addr: "[::]:443",
        max_connections: 0,
        proxy_protocol: false,
        trusted_proxies: [],
        routes: [
          {
            hostname: "git.example.org",
            backend: "127.0.0.1:8443",
            enabled: true,
            mode: "l4",
            send_proxy_protocol: false,
            max_connections: 0,
          },
          {
            hostname: "*",
            backend: "[::1]:1",
            enabled: false,
            mode: "l4",
            send_proxy_protocol: true,
            idle_timeout: "5m",
            max_connections: 10,
          },
        ],
      },
      {
        addr: "127.0.0.1:444",
        max_connections: 9,
        proxy_protocol: true,
        trusted_proxies: ["10.0.0.0/8", "::1"],
        routes: [],
      },
    ],
    firewall: {
      counts: [
        { action: "allow", type: "cidr", enforced: 1, shadow: 0 },
        { action: "block", type: "ip", enforced: 2, shadow: 1 },
      ],
      geoip_db: "/etc/geo.mmdb",
      block_unknown_country: true,
    },
    limits: [
      { key: "proxy.connect_timeout", value: "3s", default: "5s" },
      { key: "proxy.workers", value: "1", default: "0" },
      { key: "http.max_body_bytes", value: "1000", default: "0" },
    ],
    warnings: [],
    problems: [],
  });
});

Deno.test("renderVersion() and renderSnapshot() take one line, and one more for each removed snapshot", () => {
  assert.equal(
    renderVersion({ mc_proxy: "1.2.3", deno: "2.9.6", v8: "15.0" }),
    "mc-proxy 1.2.3 (Deno 2.9.6, V8 15.0)\n",
  );
  assert.equal(
    renderSnapshot({ path: "/b/a.db", size_bytes: 4096, revision: 7, removed: [] }),
    "/b/a.db: 4096 bytes, revision 7, integrity verified\n",
  );
  assert.equal(
    renderSnapshot({ path: "/b/c.db", size_bytes: 1, revision: 8, removed: ["/b/a.db", "/b/b.db"] }),
    "/b/c.db: 1 bytes, revision 8, integrity verified\n/b/a.db: removed\n/b/b.db: removed\n",
  );
});
