import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net, { type AddressInfo } from "node:net";
import tls, { type TLSSocket } from "node:tls";
import { Deadlines } from "../../src/net/deadlines.ts";
import { loadNative } from "../../src/net/native.ts";
import { type Accepting, acceptTls } from "../../src/net/tls_acceptor.ts";
import { TlsTransport } from "../../src/net/tls_transport.ts";
import { arrivals } from "../support/arrivals.ts";
import { CertificateAuthority } from "../support/certificates.ts";

/** What the runtime reads at once. What is beyond comes before anyone is told of what was read first. */
const READ_BYTES = 65_536;
const MIB = 1_048_576;
const TIMEOUT_MS = 10_000;
loadNative();

/** A relay to `port` that sends what comes within `heldBytes` of the hello at once, and `last` behind it. */
async function startHoldingRelay(port: number, last: Uint8Array, heldBytes: number): Promise<net.Server> {
  const server = net.createServer((client) => {
    const far = net.connect({ host: "127.0.0.1", port });
    const held: Uint8Array[] = [];
    for (const [one, other] of [[client, far], [far, client]] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
    far.on("data", (bytes) => client.write(bytes));
    client.once("data", (hello) => {
      far.write(hello);
      let count = 0;
      client.on("data", (bytes: Uint8Array) => {
        held.push(bytes);
        count += bytes.length;
        if (count < heldBytes) return;
        far.write(Buffer.concat([...held, last]));
        held.length = 0;
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A client whose handshake ends in one read with `content` and `last`; `use` gets both ends of it. */
async function withGlued(
  content: Uint8Array,
  last: Uint8Array,
  use: (accepting: Accepting, client: TLSSocket) => Promise<void>,
): Promise<void> {
  const authority = await CertificateAuthority.create();
  const { certificate, key } = await authority.issue({ names: ["app.test"] });
  const secureContext = tls.createSecureContext({ cert: certificate, key });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const relay = await startHoldingRelay(listener.addr.port, last, content.length);
  const client = tls.connect({
    host: "127.0.0.1",
    port: (relay.address() as AddressInfo).port,
    servername: "app.test",
    rejectUnauthorized: false,
  });
  const gone = new Promise<void>((resolve) => client.on("close", () => resolve()));
  client.on("error", () => {});
  client.on("secureConnect", () => client.write(content));
  const server = await listener.accept();
  const hello = new Uint8Array(4_096);
  const count = (await server.read(hello))!;
  const accepting = acceptTls(secureContext, server, hello.subarray(0, count))!;
  await use(accepting, client);
  client.destroy();
  await accepting.released;
  server.close();
  await gone;
  await new Promise((resolve) => relay.close(resolve));
}

Deno.test("acceptTls() tells a failure when what breaks the connection was read together with the end of its handshake", async () => {
  const garbage = new Uint8Array(200).fill(0xff);
  await withGlued(new Uint8Array(READ_BYTES + 4_096), garbage, async (accepting) => {
    assert.deepEqual(await accepting.outcome, { kind: "failed", isIncompatible: false });
  });
});

Deno.test("TlsTransport reads no more when it is told so of what was read together with the end of the handshake", async () => {
  const content = new Uint8Array(16_384);
  await withGlued(content, new Uint8Array(0), async (accepting, client) => {
    const outcome = await accepting.outcome;
    assert.ok(outcome.kind === "secure");
    using deadlines = new Deadlines();
    const noticed = arrivals();
    let count = 0;
    let isGone = false;
    const transport = new TlsTransport(outcome.socket, {
      received(bytes) {
        count += bytes.length;
        transport.pause();
        noticed.notify();
      },
      receivedEnd() {},
      written() {},
      disconnected() {
        isGone = true;
        noticed.notify();
      },
    }, { deadlines, reset() {} });
    transport.start();
    await noticed.until(() => count > 0 || undefined, TIMEOUT_MS);
    client.write(new Uint8Array(4 * MIB));
    // What the kernel holds for a reader who doesn't read is far less.
    const all = await noticed.until(() => count > 2 * MIB || undefined, 500);
    assert.equal(all, undefined, `${count} bytes were read`);
    const total = content.length + 4 * MIB;
    while (count < total && !isGone) {
      const before = count;
      transport.resume();
      await noticed.until(() => count > before || isGone || undefined, TIMEOUT_MS);
      assert.ok(count - before <= 2 * READ_BYTES, `${count - before} bytes were read at once`);
    }
    assert.equal(count, total);
    transport.reset();
    await noticed.until(() => isGone || undefined, TIMEOUT_MS);
  });
});
