import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import { probeListeners } from "../../src/net/probe.ts";
import { freePorts } from "../support/ports.ts";

Deno.test("probeListeners() leaves nothing bound where all is free", () => {
  const ports = freePorts(2);
  const addresses = ports.map((port) => ({ host: "127.0.0.1", port }));
  probeListeners(addresses);
  probeListeners(addresses);
  for (const port of ports) Deno.listen({ hostname: "127.0.0.1", port }).close();
});

Deno.test("probeListeners() names every address that can't be bound, shared ports too", () => {
  using shared = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addresses = [
    { host: "127.0.0.1", port: shared.addr.port },
    { host: "127.0.0.1", port: freePorts(1)[0]! },
    { host: "0.0.0.0", port: other.addr.port },
    { host: "192.0.2.1", port: other.addr.port },
  ];
  assert.throws(() => probeListeners(addresses), (error) => {
    assert.ok(error instanceof ProxyError && error.code === "config");
    assert.match(
      error.message,
      new RegExp(`127\\.0\\.0\\.1:${shared.addr.port} \\(in use by another program\\)`),
    );
    assert.match(error.message, new RegExp(`0\\.0\\.0\\.0:${other.addr.port} \\(in use`));
    assert.match(error.message, /192\.0\.2\.1:\d+ \(not an address of this host\)/);
    assert.ok(!error.message.includes(`:${addresses[1]!.port}`));
    return true;
  });
});
