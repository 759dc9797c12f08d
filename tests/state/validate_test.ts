import assert from "node:assert/strict";
import type { Configuration, L7Options, Listener, Route } from "../../src/state/model.ts";
import { RULES_PER_VALUE_MAX, validateConfiguration } from "../../src/state/validate.ts";
import { blockRule, l4Route, L7, listener, SAMPLE } from "./configurations.ts";

function withListeners(...listeners: readonly Listener[]): Configuration {
  return { listeners, firewallRules: [] };
}

function withRoutes(...routes: readonly Route[]): Configuration {
  return withListeners(listener(1, "192.0.2.1", routes));
}

function withL7(options: Partial<L7Options>, hostname = "a.example"): Configuration {
  return withRoutes(l4Route(1, hostname, { mode: "l7", l7: { ...L7, ...options } }));
}

function withRules(...rules: Configuration["firewallRules"]): Configuration {
  return { listeners: [], firewallRules: rules };
}

const LISTENER = "listeners[0]";
const ROUTE = "listeners[0].routes[0]";

/** A configuration and the paths of its mistakes. */
const TABLE: readonly [string, Configuration, string[]][] = [
  ["nothing", { listeners: [], firewallRules: [] }, []],
  ["some of everything", SAMPLE, []],
  ["a listener's name", withListeners(listener(1, "localhost", [])), [`${LISTENER}.addr`]],
  ["a listener's address that isn't canonical", withListeners(listener(1, "::0", [])), [`${LISTENER}.addr`]],
  ["a port out of range", withListeners(listener(1, "::", [], { address: { host: "::", port: 70_000 } })), [
    `${LISTENER}.addr`,
  ]],
  ["wildcards over each other", withListeners(listener(1, "::", []), listener(2, "0.0.0.0", [])), [
    "listeners[1].addr",
  ]],
  ["a wildcard over an address", withListeners(listener(1, "127.0.0.1", []), listener(2, "0.0.0.0", [])), [
    "listeners[1].addr",
  ]],
  ["one address twice", withListeners(listener(1, "::1", []), listener(2, "::1", [])), ["listeners[1].addr"]],
  ["negative connections", withListeners(listener(1, "::1", [], { maxConnections: -1 })), [
    `${LISTENER}.max_connections`,
  ]],
  ["part of a connection", withListeners(listener(1, "::1", [], { maxConnections: 0.5 })), [
    `${LISTENER}.max_connections`,
  ]],
  [
    "more trusted proxies than a message holds",
    withListeners(
      listener(1, "::1", [], {
        trustedProxies: Array.from({ length: 501 }, (_, i) => `10.0.${i >> 8}.${i & 255}`),
      }),
    ),
    [`${LISTENER}.trusted_proxies`],
  ],
  ["a PROXY header from nobody", withListeners(listener(1, "::1", [], { proxyProtocol: true })), [
    `${LISTENER}.trusted_proxies`,
  ]],
  [
    "trusted nonsense",
    withListeners(listener(1, "::1", [], { trustedProxies: ["10.0.0.0/8", "10.0.0.1/8", "x"] })),
    [
      `${LISTENER}.trusted_proxies[1]`,
      `${LISTENER}.trusted_proxies[2]`,
    ],
  ],
  ["a hostname that isn't canonical", withRoutes(l4Route(1, "A.example")), [`${ROUTE}.hostname`]],
  ["a hostname twice", withRoutes(l4Route(1, "a.example"), l4Route(2, "a.example", { enabled: false })), [
    "listeners[0].routes[1].hostname",
  ]],
  [
    "a hostname on two listeners",
    withListeners(
      listener(1, "127.0.0.1", [l4Route(1, "a.example")]),
      listener(2, "127.0.0.2", [l4Route(2, "a.example")]),
    ),
    [],
  ],
  ["a backend without a port", withRoutes(l4Route(1, "a", { backend: { host: "app", port: 0 } })), [
    `${ROUTE}.backend`,
  ]],
  ["a backend without a host", withRoutes(l4Route(1, "a", { backend: { host: "", port: 80 } })), [
    `${ROUTE}.backend`,
  ]],
  ["an endless idle timeout", withRoutes(l4Route(1, "a", { idleTimeoutMs: 1e12 })), [
    `${ROUTE}.idle_timeout`,
  ]],
  ["l7 without its options", withRoutes(l4Route(1, "a", { mode: "l7" })), [`${ROUTE}.mode`]],
  ["l4 with l7's options", withRoutes(l4Route(1, "a", { l7: L7 })), [`${ROUTE}.mode`]],
  ["l7 without files", withL7({ tlsCert: "", tlsKey: "" }), [`${ROUTE}.tls_cert`, `${ROUTE}.tls_key`]],
  ["h2 without TLS", withL7({ backendProtocol: "h2" }), [`${ROUTE}.backend_protocol`]],
  ["h2c with TLS", withL7({ backendTls: true }), [`${ROUTE}.backend_protocol`]],
  [
    "h2 with TLS",
    withL7({ backendTls: true, backendProtocol: "h2", backendCa: "/ca", backendServerName: "app" }),
    [],
  ],
  ["http/1.1 either way", withL7({ backendTls: true, backendProtocol: "http/1.1" }), []],
  ["a CA without TLS", withL7({ backendCa: "/ca.pem" }), [`${ROUTE}.backend_ca`]],
  ["a server name without TLS", withL7({ backendServerName: "app" }), [`${ROUTE}.backend_server_name`]],
  [
    "a server name that is none",
    withL7({ backendTls: true, backendProtocol: "h2", backendServerName: "App" }),
    [
      `${ROUTE}.backend_server_name`,
    ],
  ],
  ["an ACME backend without a port", withL7({ acmeBackend: { host: "app", port: 0 } }), [
    `${ROUTE}.acme_backend`,
  ]],
  ["an ACME backend on the default", withL7({ acmeBackend: { host: "app", port: 80 } }, "*"), [
    `${ROUTE}.acme_backend`,
  ]],
  ["a negative body", withL7({ maxBodyBytes: -1 }), [`${ROUTE}.max_body_bytes`]],
  [
    "a rule that isn't canonical",
    withRules(blockRule(1, "ip", "::ffff:1.2.3.4"), blockRule(2, "country", "de")),
    [
      "firewall.rules[0].value",
      "firewall.rules[1].value",
    ],
  ],
  ["a rule with host bits", withRules(blockRule(1, "cidr", "10.1.2.3/8")), ["firewall.rules[0].value"]],
  ["a rule that never was", withRules(blockRule(1, "ip", "1.2.3.4", { expiresAtMs: 0 })), [
    "firewall.rules[0].expires",
  ]],
  ["a comment with a line feed", withRules(blockRule(1, "ip", "1.2.3.4", { comment: "a\nb" })), [
    "firewall.rules[0].comment",
  ]],
  ["a long comment", withRules(blockRule(1, "ip", "1.2.3.4", { comment: "x".repeat(201) })), [
    "firewall.rules[0].comment",
  ]],
  [
    "several rules for one value",
    withRules(blockRule(1, "ip", "1.2.3.4"), blockRule(2, "ip", "1.2.3.4")),
    [],
  ],
  [
    "too many rules for one value",
    withRules(
      ...Array.from({ length: RULES_PER_VALUE_MAX + 2 }, (_, id) => blockRule(id, "ip", "1.2.3.4")),
    ),
    [`firewall.rules[${RULES_PER_VALUE_MAX}].value`],
  ],
];

Deno.test("validateConfiguration() finds each mistake", async (t) => {
  for (const [name, configuration, expected] of TABLE) {
    await t.step(name, () => {
      assert.deepEqual(validateConfiguration(configuration).map((issue) => issue.path), expected);
    });
  }
});

Deno.test("validateConfiguration() finds all mistakes at once", () => {
  const configuration: Configuration = {
    listeners: TABLE.flatMap(([, { listeners }]) => listeners).map((each, index) => ({
      ...each,
      address: each.address.port === 443 ? { ...each.address, port: 1_000 + index } : each.address,
    })),
    firewallRules: [blockRule(1, "cidr", "nonsense")],
  };
  const expected = TABLE.flatMap(([, , paths]) => paths)
    .filter((path) => !path.startsWith("listeners[1].addr") && !path.startsWith("firewall"));
  assert.equal(validateConfiguration(configuration).length, expected.length + 1);
});

Deno.test("validateConfiguration() says what was wanted and what is there", () => {
  assert.deepEqual(validateConfiguration(withListeners(listener(1, "::", []), listener(2, "0.0.0.0", []))), [{
    path: "listeners[1].addr",
    wanted: "an address that no other listener covers",
    got: '"0.0.0.0:443", which overlaps listeners[0]',
  }]);
  assert.deepEqual(validateConfiguration(withRules(blockRule(1, "cidr", "10.1.2.3/8"))), [{
    path: "firewall.rules[0].value",
    wanted: 'a CIDR with host bits zero, such as "10.0.0.0/8"',
    got: '"10.1.2.3/8"',
  }]);
});
