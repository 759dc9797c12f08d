/**
 * The commands that ask a running server, as data.
 *
 * @module
 */

import {
  type CommandSpec,
  JSON_OUTPUT,
  option,
  type OptionSpec,
  word,
  type WordSpec,
} from "./command_spec.ts";

const HOSTNAME = word("<hostname>", 'exact, "*.example.org" for one more label, or "*" for every other name');
const BACKEND = 'host:port, such as "127.0.0.1:8443" or "[::1]:8443"';
const ADDRESS = word("<address>", 'IP address and port, such as "0.0.0.0:443" or ":443"');
const LISTENER = option("--listener <addr>", "address of the listener; needed when there are several");
const EXISTING = ["keep", "drain", "close"];
/** What becomes of connections. */
function existing(by: string): OptionSpec {
  const meaning =
    "open connections: keep them, drain them (what is left after [proxy] shutdown_timeout is cut), " +
    `or close them now (default: ${by})`;
  return option("--existing <what>", meaning, EXISTING);
}
const COUNT = "connections open at once over all workers, 0 = no limit (default: 0)";
const FILTER: readonly OptionSpec[] = [
  option("--listener <addr>", "only those of the listener with this address"),
  option("--route <hostname>", "only those of the route with this hostname"),
  option("--client <range>", "only those of this address or range, such as 192.0.2.0/24"),
  option("--country <code>", "only those of this country, ISO 3166-1 alpha-2"),
  option("--min-age <duration>", 'only those open for at least so long, such as "90s" or "1h"'),
  { ...option("--id <id>", "only this one; may be repeated"), isRepeatable: true },
];
const ROUTE: readonly OptionSpec[] = [
  LISTENER,
  option("--max-connections <count>", COUNT),
  option(
    "--idle-timeout <duration>",
    'no byte for so long ends an L4 connection, such as "5m"; 0s = off, ' +
      '"default" = [proxy] idle_timeout (default: default)',
  ),
  option("--send-proxy-protocol", "send a PROXY protocol v2 header to the backend"),
  option("--mode <mode>", "l4 passes TLS on, l7 terminates it and proxies HTTP (default: l4)", ["l4", "l7"]),
  option("--tls-cert <file>", "l7: PEM file on the server's host with the certificate chain", "file"),
  option("--tls-key <file>", "l7: PEM file with its private key", "file"),
  option(
    "--backend-protocol <protocol>",
    "l7: what the backend speaks (default: h2c; with --backend-tls h2)",
    [
      "h2c",
      "h2",
      "http/1.1",
    ],
  ),
  option("--backend-tls", "l7: reach the backend over TLS and verify it"),
  {
    ...option(
      "--backend-ca <file>",
      "l7: PEM file with the CAs that verify the backend (default: the system's)",
      "file",
    ),
    mayBeEmpty: true,
  },
  option("--backend-server-name <name>", "l7: name sent to and verified on the backend (default: its host)"),
  option("--acme-backend <endpoint>", "l7: where ACME tls-alpn-01 challenges go (default: nowhere)"),
  option(
    "--max-body-bytes <count>",
    'l7: request content in bytes, over it 413; 0 = no limit, "default" = ' +
      "[http] max_body_bytes (default: default)",
  ),
];
const LIMIT = option("--limit <count>", "at most so many (default: 1000, at most 10000)");
/** For changes. */
const EXPECTED = option(
  "--expected-revision <number>",
  "change nothing unless this is the current revision (default: any)",
);

const CONFIG_FOR_GRPC = option(
  "-c, --config <file>",
  "the server's TOML file, for [grpc]; not needed with --addr",
  "file",
);

/** How a server is asked. */
export const CONNECTION_OPTIONS: readonly OptionSpec[] = [
  option("--addr <addr>", "the admin API, unix:PATH or HOST:PORT (default: [grpc] addr)"),
  {
    ...option(
      "--client-cert <file>",
      'PEM certificate to show; "" = none (default: [grpc] client_cert)',
      "file",
    ),
    mayBeEmpty: true,
  },
  option("--client-key <file>", "PEM file with its private key (default: [grpc] client_key)", "file"),
  {
    ...option(
      "--server-ca <file>",
      'PEM file with the CA that verifies the server; "" = the system\'s ' +
        "(default: [grpc] server_ca)",
      "file",
    ),
    mayBeEmpty: true,
  },
  option("--insecure", "speak without TLS to HOST:PORT (default: as [grpc] says)"),
  option(
    "--timeout <duration>",
    'how long to wait for an answer, 0s = for ever (default: "30s"; apply and rollback "5m"; watch and ' +
      "snapshot for ever)",
  ),
  JSON_OUTPUT,
];

/** Every command. */
export const ADMIN_SPECS: readonly CommandSpec[] = [
  spec(
    "status",
    "Ask the server how it is; exit 0 healthy, 1 not (each reason is printed), 3 nobody answers",
    [],
    [],
    [
      "",
      "--json",
      "--addr unix:/run/mc-proxy/admin.sock",
    ],
  ),
  spec("routes list", "List routes", [], [option("--listener <addr>", "only those of this listener")], [""]),
  spec("routes add", "Add a route", [HOSTNAME, word("<backend>", BACKEND)], [
    ...ROUTE,
    option("--disabled", "keep it and don't serve it yet"),
    EXPECTED,
  ], [
    "git.example.org 127.0.0.1:8443",
    "app.example.org 127.0.0.1:8080 --mode l7 --tls-cert app.crt --tls-key app.key",
  ]),
  spec("routes update", "Change what is named of a route; the rest stays", [HOSTNAME], [
    option("--backend <endpoint>", BACKEND),
    ...ROUTE,
    option("--no-send-proxy-protocol", "send no PROXY protocol header"),
    option("--no-backend-tls", "l7: reach the backend in clear"),
    option("--enable", "serve it"),
    option("--disable", "keep it and don't serve it"),
    EXPECTED,
  ], ["git.example.org --backend 127.0.0.1:9443", "git.example.org --disable"]),
  spec("routes remove", "Remove a route", [HOSTNAME], [LISTENER, existing("drain"), EXPECTED], [
    "git.example.org --existing close",
  ]),
  spec("firewall list", "List firewall rules", [], [], [""]),
  spec("firewall add", "Add a firewall rule", [
    word("<type>", "what the rule matches", ["ip", "cidr", "country"]),
    word("<value>", "an address, a range with host bits zero, or a country's ISO 3166-1 alpha-2 code"),
  ], [
    option("--allow", "let matching clients in, before every block rule (default: block them)"),
    option("--shadow", "count and do nothing (default: enforce)"),
    option("--ttl <duration>", 'how long the rule lives, such as "1h" (default: for ever)'),
    option("--comment <text>", "at most 200 characters (default: none)"),
    existing("keep"),
    EXPECTED,
  ], ["ip 198.51.100.7 --ttl 24h --comment abuse --existing close", "country DE --shadow"]),
  spec("firewall remove", "Remove a firewall rule", [word("<id>", "its number in `firewall list`")], [
    existing("keep"),
    EXPECTED,
  ], ["7"]),
  spec("listeners list", "List listeners", [], [], [""]),
  spec("listeners add", "Add a listener, without routes", [ADDRESS], [
    option("--max-connections <count>", COUNT),
    {
      ...option(
        "--trusted-proxy <range>",
        "every connection begins with a PROXY protocol header, which this address or range may send; may be repeated",
      ),
      isRepeatable: true,
    },
    EXPECTED,
  ], ["127.0.0.1:8443", ":8443 --trusted-proxy 10.0.0.0/8"]),
  spec("listeners remove", "Remove a listener and its routes", [ADDRESS], [existing("drain"), EXPECTED], [
    "127.0.0.1:8443",
  ]),
  spec("connections list", "List open connections", [], [...FILTER, LIMIT], [
    "--client 198.51.100.0/24 --min-age 1h",
  ]),
  spec("connections watch", "Tell of every connection that ends, until Ctrl-C", [], FILTER, [
    "--route git.example.org",
    "--json",
  ]),
  spec("connections close", "End open connections with a RST", [], [
    ...FILTER,
    option("--all", "all of them; without a filter this has to be said"),
  ], ["--client 198.51.100.7"]),
  spec("explain", "Say what would become of a connection, and why", [
    word("<client>", "the client's IP address"),
    word("[server-name]", "the name in its hello (default: none)"),
  ], [LISTENER, {
    ...option("--alpn <protocol>", "a protocol that the client offers; may be repeated (default: none)"),
    isRepeatable: true,
  }], ["198.51.100.7 git.example.org", "198.51.100.7 app.example.org --alpn h2 --alpn http/1.1"]),
  spec("revisions list", "List revisions with their changes, newest first", [], [
    option("--limit <count>", "at most so many (default: 50, at most 1000)"),
  ], ["--limit 5"]),
  spec(
    "revisions diff",
    "Say what differs between two revisions",
    [
      word("[from]", "a revision (default: the one before)"),
      word("[to]", "a revision (default: the current one)"),
    ],
    [],
    ["", "3 7"],
  ),
  spec("revisions rollback", "Make a new revision with an older one's content", [
    word("<revision>", "its number"),
  ], [
    existing("drain"),
    EXPECTED,
  ], ["7"]),
  spec(
    "apply",
    "Bring listeners and firewall rules to what a TOML file says, in one revision; its other sections " +
      "are read at the next start",
    [],
    [
      option("-f, --file <file>", "the TOML file (default: that of -c)", "file"),
      option("--prune", "remove what the file doesn't have (default: keep it)"),
      option("--dry-run", "print the difference and change nothing"),
      option(
        "--confirm-within <duration>",
        'take it back unless `mc-proxy confirm` comes in time, "1s" to "1h" ' +
          "(default: it stays)",
      ),
      existing("drain"),
    ],
    ["-f new.toml --dry-run", "-f new.toml --prune --confirm-within 60s"],
  ),
  spec(
    "confirm",
    "Keep what an apply with --confirm-within has changed",
    [
      word("[revision]", "the revision to keep (default: the one that waits)"),
    ],
    [],
    [""],
  ),
  spec(
    "reload",
    "Read certificates and the GeoIP database again; exit 1 when one of them can't be used",
    [],
    [],
    [""],
  ),
  spec("export", "Print a TOML file that seeds an identical instance", [], [], ["> copy.toml"]),
  spec("metrics", "Print the metrics in Prometheus' text format", [], [], [""]),
];

function spec(
  name: string,
  meaning: string,
  words: readonly WordSpec[],
  options: readonly OptionSpec[],
  examples: readonly string[],
): CommandSpec {
  const config = (example: string) =>
    [name, example.startsWith(">") ? `-c mc-proxy.toml ${example}` : example].join(" ").trim();
  return {
    name,
    meaning,
    words,
    options: [...options, CONFIG_FOR_GRPC, ...CONNECTION_OPTIONS],
    examples: examples.map((example) =>
      /--addr|-c /.test(example) || example.startsWith(">")
        ? config(example)
        : `${config(example)} -c mc-proxy.toml`
    ),
  };
}
