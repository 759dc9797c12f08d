import assert from "node:assert/strict";
import net from "node:net";
import { ProxyError } from "../../src/errors.ts";
import {
  connectionKey,
  createMemoryFile,
  descriptorOf,
  findConnections,
  loadNative,
  mapMemoryFile,
  openLibrary,
  peerCredentials,
  resetSocket,
  setInheritedOptions,
} from "../../src/net/native.ts";
import { descriptors } from "../support/processes.ts";
import { socketOptions } from "./socket_options.ts";

/** No descriptor of this process. */
const NO_DESCRIPTOR = 1_000_000;
const LOOPBACK = 0x7f000001;

assert.ok(loadNative(["libno-such-thing.so", "libc.so.6"]), "the next name is tried");

/** What a descriptor of this process is; `undefined` when there is none. */
function target(fd: number): string | undefined {
  return descriptors(Deno.pid).get(fd);
}

interface Pair extends Disposable {
  readonly dialled: Deno.TcpConn;
  readonly accepted: Deno.TcpConn;
}

async function connected(hostname: string): Promise<Pair> {
  using listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr;
  const [dialled, accepted] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
  return {
    dialled,
    accepted,
    [Symbol.dispose]: () => {
      dialled.close();
      accepted.close();
    },
  };
}

Deno.test("mapMemoryFile() and createMemoryFile() say what they can't give", () => {
  const code = { name: "ProxyError", code: "unavailable" };
  assert.throws(() => mapMemoryFile(NO_DESCRIPTOR, 4_096), code);
  assert.throws(() => createMemoryFile("mc-proxy-native-test", -1), code);
  assert.throws(() => createMemoryFile("n".repeat(300), 4_096), ProxyError);
});

Deno.test("descriptorOf() tells the descriptor of an accepted connection and of no other", async () => {
  using pair = await connected("127.0.0.1");
  const fd = descriptorOf(pair.accepted);
  assert.match(target(fd!)!, /^socket:/);
  assert.equal(descriptorOf(pair.dialled), undefined);
  assert.equal(descriptorOf({}), undefined);
});

Deno.test("findConnections() finds dialled connections by their key, and those alone", async () => {
  using first = await connected("127.0.0.1");
  using second = await connected("127.0.0.1");
  const keyOf = ({ dialled: { localAddr, remoteAddr } }: Pair, word = LOOPBACK) =>
    connectionKey(localAddr.port, remoteAddr.port, word);
  const wanted = new Set([keyOf(first), keyOf(second), keyOf(first, LOOPBACK + 1), "1-2-3"]);
  const found = findConnections(wanted)!;
  assert.deepEqual([...found.keys()].toSorted(), [keyOf(first), keyOf(second)].toSorted());
  for (const pair of [first, second]) {
    const fd = found.get(keyOf(pair))!;
    assert.notEqual(fd, descriptorOf(pair.accepted));
    assert.ok(resetSocket(fd));
    await assert.rejects(pair.accepted.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  }
  assert.equal(resetSocket(NO_DESCRIPTOR), false);
});

Deno.test("setInheritedOptions() gives accepted connections no-delay and keep-alive", async () => {
  const wanted = {
    keepAlive: 1,
    noDelay: 1,
    keepAliveIdleSeconds: 60,
    keepAliveIntervalSeconds: 15,
    keepAliveProbes: 4,
  };
  for (const isAsked of [true, false]) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { hostname, port } = listener.addr;
    if (isAsked) assert.ok(setInheritedOptions(port));
    using _client = await Deno.connect({ hostname, port });
    using accepted = await listener.accept();
    const options = socketOptions(descriptorOf(accepted)!);
    if (isAsked) assert.deepEqual(options, wanted);
    else assert.deepEqual([options.keepAlive, options.noDelay], [0, 0], "without it they are off");
    assert.equal(setInheritedOptions(accepted.remoteAddr.port), false, "not a listening socket");
  }
});

Deno.test("peerCredentials() tells who is at the other end of a Unix socket", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-test-" });
  const path = `${folder}/socket`;
  const accepted = Promise.withResolvers<net.Socket>();
  const server = net.createServer(accepted.resolve);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = await Deno.connect({ transport: "unix", path });
  const socket = await accepted.promise;
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd = Number(Reflect.get(handle as object, "fd"));
  assert.deepEqual(peerCredentials(fd), { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
  assert.equal(peerCredentials(NO_DESCRIPTOR), undefined);
  client.close();
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  await Deno.remove(folder, { recursive: true });
});

Deno.test("openLibrary() opens a library that is there and throws for one that isn't", () => {
  openLibrary("libc.so.6");
  assert.throws(() => openLibrary("libno-such-thing.so"));
});
