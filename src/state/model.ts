/**
 * What an operator configures, as plain values: listeners, routes, firewall rules. These are the rows of the
 * database, the content of a revision, and what a TOML file seeds.
 *
 * @module
 */

/** A host and port. */
export interface Endpoint {
  /** An IP literal without brackets, or a DNS name (backends only; resolved anew for each connection). */
  readonly host: string;
  /** 1–65535; 0, the kernel's choice, is legal for a listener only. */
  readonly port: number;
}

/** What becomes of a TLS connection on a route: forwarded as it is (`l4`), or terminated and proxied as HTTP (`l7`). */
export type RouteMode = "l4" | "l7";

/** What an L7 route speaks to its backend. */
export type BackendProtocol = "h2c" | "h2" | "http/1.1";

/** The part of a route that exists for `mode = "l7"` only. Paths are absolute; keys are read by the main process only. */
export interface L7Options {
  /** PEM file with the certificate chain shown to clients. */
  readonly tlsCert: string;
  /** PEM file with its private key. */
  readonly tlsKey: string;
  /** TLS towards the backend. Default false; always true for `h2`. */
  readonly backendTls: boolean;
  /** PEM file with the CAs that verify the backend; empty = the system's. */
  readonly backendCa: string;
  /** Name sent to and verified on the backend; empty = the backend's host. */
  readonly backendServerName: string;
  /** Default `h2c`, or `h2` with `backendTls`. */
  readonly backendProtocol: BackendProtocol;
  /** Where hellos go that offer only `acme-tls/1`; absent = alert 120. */
  readonly acmeBackend?: Endpoint;
  /** Largest request content; over it 413. 0 = no limit; absent = `[http] max_body_bytes`. */
  readonly maxBodyBytes?: number;
}

/** One route: (listener, hostname) → backend. */
export interface Route {
  /** Immutable, unique over all routes that ever were. */
  readonly id: number;
  /** Canonical: lower-case ASCII without trailing dot; exact, `*.example.org`, or `*`. Unique within its listener. */
  readonly hostname: string;
  /** Where the stream goes; one that is down is no configuration error. */
  readonly backend: Endpoint;
  /** A disabled route is kept and not served, as if it weren't there. */
  readonly enabled: boolean;
  /** Default `l4`. */
  readonly mode: RouteMode;
  /** Send a PROXY protocol v2 header to the backend. */
  readonly sendProxyProtocol: boolean;
  /** Idle limit of an L4 connection in ms; 0 = off; absent = `[proxy] idle_timeout`. */
  readonly idleTimeoutMs?: number;
  /** Most connections open at once over all workers; 0 = no limit. */
  readonly maxConnections: number;
  /** Present exactly when `mode` is `l7`. */
  readonly l7?: L7Options;
}

/** One listening address with its own route table. */
export interface Listener {
  /** Immutable, unique over all listeners that ever were. */
  readonly id: number;
  /** Canonical; `[::]` and `0.0.0.0` are wildcards. */
  readonly address: Endpoint;
  /** Most connections open at once over all workers; 0 = no limit. */
  readonly maxConnections: number;
  /** Every connection must begin with a PROXY protocol header. */
  readonly proxyProtocol: boolean;
  /** Who may send that header: IPs and CIDRs, canonical; not empty when `proxyProtocol`. */
  readonly trustedProxies: readonly string[];
  /** In the order of their ids, which decides nothing: the most specific hostname wins. Empty = every name is refused. */
  readonly routes: readonly Route[];
}

/** What a firewall rule matches. */
export type FirewallRuleType = "ip" | "cidr" | "country";
/** What a matching rule does. */
export type FirewallAction = "block" | "allow";
/** `shadow`: counted, not enforced. */
export type FirewallMode = "enforce" | "shadow";

/** One firewall rule. */
export interface FirewallRule {
  /** Immutable, unique over all rules that ever were. */
  readonly id: number;
  /** Says how `value` is read. */
  readonly type: FirewallRuleType;
  /** Canonical: an IP, a CIDR with host bits zero, or an upper-case ISO 3166-1 alpha-2 code (or `XK`). */
  readonly value: string;
  /** Default `block`. An allow rule goes before every block rule, whatever their order. */
  readonly action: FirewallAction;
  /** Default `enforce`. */
  readonly mode: FirewallMode;
  /** Unix time in ms from which the rule no longer matches; absent = never. */
  readonly expiresAtMs?: number;
  /** Free text, at most 200 characters; may be empty. */
  readonly comment: string;
}

/**
 * The content of one revision. Every list in it is in the order of its ids: the store reads it so, and every change
 * keeps it so.
 */
export interface Configuration {
  /** In the order of their ids. No two addresses overlap. */
  readonly listeners: readonly Listener[];
  /** In the order of their ids, expired ones included: expiry is judged when a connection is. */
  readonly firewallRules: readonly FirewallRule[];
}

/** A listener's or route's value before the store has given it an id. */
export type Seed<T extends { readonly id: number }> = Omit<T, "id">;

/** A listener as a TOML file describes it: no ids yet. */
export interface ListenerSeed extends Omit<Listener, "id" | "routes"> {
  /** In the order of the file, which becomes the order of their ids. */
  readonly routes: readonly Seed<Route>[];
}

/** What a TOML file seeds a new database with. */
export interface ConfigurationSeed {
  /** In the order of the file, which becomes the order of their ids. */
  readonly listeners: readonly ListenerSeed[];
  /** `[[firewall.rules]]` and the `blocked_*` shorthands together. */
  readonly firewallRules: readonly Seed<FirewallRule>[];
}
