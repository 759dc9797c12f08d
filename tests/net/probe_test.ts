import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import { probeListeners } from "../../src/net/probe.ts";
import { freePorts } from "../support/ports.ts";

function messageOf(addresses: Parameters<typeof probeListeners>[0]): string {
  try {
    probeListeners(addresses);
    return "";
  } catch (error) {
    assert.ok(error instanceof ProxyError && error.code === "config", String(error));
    return error.message;
  }
}

Deno.test("probeListeners() leaves free addresses free", () => {
  const [port, other] = freePorts(2) as [number, number];
  const addresses = [{ host: "127.0.0.1", port }, { host: "::1", port }, { host: "0.0.0.0", port: other }];
  for (let round = 0; round < 2; round++) assert.equal(messageOf(addresses), "");
  for (const { host, port } of addresses) Deno.listen({ hostname: host, port }).close();
});

Deno.test("probeListeners() names every address that can't be bound, and why", () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  using taken6 = Deno.listen({ hostname: "::1", port: 0 });
  const [free] = freePorts(1) as [number];
  const message = messageOf([
    { host: "127.0.0.1", port: taken.addr.port },
    { host: "127.0.0.1", port: free },
    { host: "::1", port: taken6.addr.port },
    { host: "192.0.2.1", port: free },
  ]);
  assert.equal(
    message,
    `can't listen on 127.0.0.1:${taken.addr.port} (in use by another program), ` +
      `[::1]:${taken6.addr.port} (in use by another program), 192.0.2.1:${free} (not an address of this host)`,
  );
  Deno.listen({ hostname: "127.0.0.1", port: free }).close();
});

Deno.test("probeListeners() sees a wildcard's port as taken, though another program shares it", () => {
  using taken = Deno.listen({ hostname: "0.0.0.0", port: 0, reusePort: true });
  const { port } = taken.addr;
  Deno.listen({ hostname: "127.0.0.1", port, reusePort: true }).close();
  assert.match(messageOf([{ host: "127.0.0.1", port }]), /in use by another program/);
});
