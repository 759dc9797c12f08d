/**
 * The commands that ask a running server, as data: the command line and the shells' completion are made from it.
 *
 * @module
 */

/** An option: its flags as commander writes them, and what it means. */
export type OptionSpec = readonly [flags: string, meaning: string];

/** One command. */
export interface AdminSpec {
  /** Such as `routes add`. */
  readonly name: string;
  /** What it does. */
  readonly meaning: string;
  /** Positional arguments as commander writes them, `<required>` and `[optional]`. */
  readonly positional: readonly string[];
  /** Besides those that every command has. */
  readonly options: readonly OptionSpec[];
}

const LISTENER: OptionSpec = ["--listener <addr>", "address of the listener; needed when there are several"];
const EXISTING: OptionSpec = ["--existing <what>", "open connections: keep, drain or close"];
const FILTER: readonly OptionSpec[] = [
  ["--listener <addr>", "only those of this listener"],
  ["--route <hostname>", "only those of this route"],
  ["--client <range>", "only those of this address or range"],
  ["--country <code>", "only those of this country"],
  ["--min-age <duration>", "only those open for at least so long"],
];
const ROUTE: readonly OptionSpec[] = [
  LISTENER,
  ["--max-connections <count>", "connections open at once, 0 = no limit"],
  ["--idle-timeout <duration>", "no byte for so long ends an L4 connection, 0s = off"],
  ["--send-proxy-protocol", "send a PROXY protocol v2 header to the backend"],
];

/** Options of every command here. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  ["--addr <addr>", "the server's admin API (default: [grpc] addr)"],
  ["--client-cert <file>", "certificate to show (default: [grpc] client_cert)"],
  ["--client-key <file>", "its private key (default: [grpc] client_key)"],
  ["--server-ca <file>", "CA that verifies the server (default: [grpc] server_ca)"],
  ["--json", "print JSON"],
];

/** Every command. */
export const ADMIN_SPECS: readonly AdminSpec[] = [
  spec("status", "Ask the server how it is; exit 0 healthy, 1 not, 3 nobody answers"),
  spec("routes list", "List routes", [], [["--listener <addr>", "only those of this listener"]]),
  spec("routes add", "Add a route", ["<hostname>", "<backend>"], [...ROUTE, [
    "--disabled",
    "don't serve it yet",
  ]]),
  spec("routes update", "Change a route", ["<hostname>"], [
    ...ROUTE,
    ["--backend <endpoint>", "where it leads"],
    ["--enable", "serve it"],
    ["--disable", "keep it and don't serve it"],
  ]),
  spec("routes remove", "Remove a route", ["<hostname>"], [LISTENER, EXISTING]),
  spec("firewall list", "List firewall rules"),
  spec("firewall add", "Add a firewall rule", ["<type>", "<value>"], [
    ["--allow", "let matching clients in; without it they are blocked"],
    ["--shadow", "count, and do nothing"],
    ["--ttl <duration>", "how long the rule lives (default: for ever)"],
    ["--comment <text>", "at most 200 characters"],
    EXISTING,
  ]),
  spec("firewall remove", "Remove a firewall rule", ["<id>"], [EXISTING]),
  spec("listeners list", "List listeners"),
  spec("listeners add", "Add a listener", ["<address>"], [
    ["--max-connections <count>", "connections open at once, 0 = no limit"],
  ]),
  spec("listeners remove", "Remove a listener and its routes", ["<address>"], [EXISTING]),
  spec("connections list", "List open connections", [], [...FILTER, ["--limit <count>", "at most so many"]]),
  spec("connections watch", "Tell of every connection that ends, until Ctrl-C", [], FILTER),
  spec("connections close", "End open connections with a RST", [], [...FILTER, ["--all", "all of them"]]),
  spec("explain", "Say what would become of a connection, and why", ["<client>", "[server-name]"], [
    LISTENER,
    ["--alpn <protocol...>", "protocols that the client offers"],
  ]),
  spec("revisions list", "List revisions, newest first", [], [[
    "--limit <count>",
    "at most so many (default: 50)",
  ]]),
  spec("revisions diff", "Say what differs between two revisions", ["[from]", "[to]"]),
  spec("revisions rollback", "Bring an older revision's content back", ["<revision>"], [EXISTING]),
  spec("apply", "Bring listeners and rules to what a TOML file says, in one revision", [], [
    ["-f, --file <file>", "the TOML file (default: that of -c)"],
    ["--prune", "remove what the file doesn't have"],
    ["--dry-run", "print the difference and change nothing"],
    ["--confirm-within <duration>", "take it back unless it is confirmed in time"],
    EXISTING,
  ]),
  spec("confirm", "Keep what an apply with --confirm-within has changed", ["[revision]"]),
  spec("reload", "Read certificates and the GeoIP database again"),
  spec("export", "Print a TOML file that seeds an identical instance"),
  spec("metrics", "Print the metrics in Prometheus' text format"),
];

function spec(
  name: string,
  meaning: string,
  positional: readonly string[] = [],
  options: readonly OptionSpec[] = [],
): AdminSpec {
  return { name, meaning, positional, options };
}
