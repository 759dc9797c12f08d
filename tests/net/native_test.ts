import assert from "node:assert/strict";
import net from "node:net";
import { ProxyError } from "../../src/errors.ts";
import {
  closeDescriptor,
  connectionKey,
  createMemoryFile,
  descriptorOf,
  duplicateDescriptor,
  fileLimit,
  findConnections,
  loadNative,
  mapMemoryFile,
  monotonicMs,
  openLibrary,
  peerCredentials,
  resetSocket,
  setCloseOnExec,
  setInheritedOptions,
} from "../../src/net/native.ts";
import { descriptors } from "../support/processes.ts";
import type { ChildFacts } from "./native_child.ts";
import { socketOptions } from "./socket_options.ts";

const CHILD = new URL("native_child.ts", import.meta.url).pathname;
/** No descriptor of this process. */
const NO_DESCRIPTOR = 1_000_000;
const LOOPBACK = 0x7f000001;

assert.ok(loadNative(["libno-such-thing.so", "libc.so.6"]), "the next name is tried");

/** Starts the child; `limit` is its RLIMIT_NOFILE, hard and soft: the runtime raises the soft one. */
function child(limit: number, ...args: (string | number)[]): Deno.ChildProcess {
  const command = [Deno.execPath(), "run", "-A", CHILD, ...args.map(String)];
  const script = 'ulimit -n "$0" && exec "$@"';
  return new Deno.Command("sh", { args: ["-c", script, `${limit}`, ...command], stdout: "piped" }).spawn();
}

/** What a descriptor of this process is; `undefined` when there is none. */
function target(fd: number): string | undefined {
  return descriptors(Deno.pid).get(fd);
}

/** What a new child has under that descriptor. */
async function inherited(fd: number): Promise<string> {
  const { stdout } = await new Deno.Command("readlink", { args: [`/proc/self/fd/${fd}`] }).output();
  return new TextDecoder().decode(stdout).trim();
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

Deno.test("createMemoryFile() makes zeroed memory that another process sees under the same descriptor", async () => {
  const fd = createMemoryFile("mc-proxy-native-test", 8_192);
  assert.equal(target(fd), "/memfd:mc-proxy-native-test (deleted)");
  const words = new Int32Array(mapMemoryFile(fd, 8_192));
  assert.equal(words.length, 2_048);
  assert.ok(words.every((word) => word === 0));
  words[0] = 21;
  const beforeMs = monotonicMs();
  const { stdout } = await child(321, "facts", fd, 8_192).output();
  const facts: ChildFacts = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(facts.word, 21);
  assert.equal(words[0], 42);
  assert.equal(facts.fileLimit, 321, "fileLimit() is getrlimit(2)");
  assert.ok(facts.monotonicMs > beforeMs && facts.monotonicMs < monotonicMs(), "one clock for all processes");
  closeDescriptor(fd);
  assert.equal(target(fd), undefined);
});

Deno.test("mapMemoryFile() and createMemoryFile() say what they can't give", () => {
  const code = { name: "ProxyError", code: "unavailable" };
  assert.throws(() => mapMemoryFile(NO_DESCRIPTOR, 4_096), code);
  assert.throws(() => createMemoryFile("mc-proxy-native-test", -1), code);
  assert.throws(() => createMemoryFile("n".repeat(300), 4_096), ProxyError);
});

Deno.test("setCloseOnExec() keeps a descriptor from children", async () => {
  const fd = createMemoryFile("mc-proxy-native-test", 4_096);
  assert.match(await inherited(fd), /^\/memfd:mc-proxy-native-test/);
  assert.ok(setCloseOnExec(fd));
  assert.doesNotMatch(await inherited(fd), /memfd/);
  assert.equal(setCloseOnExec(NO_DESCRIPTOR), false);
  closeDescriptor(fd);
});

Deno.test("duplicateDescriptor() gives a second number for the same file, which outlives the first", () => {
  const fd = createMemoryFile("mc-proxy-native-test", 4_096);
  const copy = duplicateDescriptor(fd)!;
  assert.notEqual(copy, fd);
  assert.equal(target(copy), target(fd));
  const words = new Int32Array(mapMemoryFile(fd, 4_096));
  words[0] = 7;
  closeDescriptor(fd);
  assert.equal(new Int32Array(mapMemoryFile(copy, 4_096))[0], 7);
  closeDescriptor(copy);
  assert.equal(duplicateDescriptor(NO_DESCRIPTOR), undefined);
});

Deno.test("armAlarm() ends the process in time, and 0 takes it back", async () => {
  const [alarmed, takenBack] = await Promise.all([
    child(1_024, "alarm", "no").output(),
    child(1_024, "alarm", "yes").output(),
  ]);
  assert.equal(alarmed.signal, "SIGALRM");
  assert.deepEqual([takenBack.code, takenBack.signal], [0, null]);
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

Deno.test("fileLimit() is this process's own", () => {
  const { stdout } = new Deno.Command("sh", { args: ["-c", "ulimit -S -n"] }).outputSync();
  const text = new TextDecoder().decode(stdout).trim();
  assert.equal(fileLimit(), text === "unlimited" ? 1_048_576 : Math.min(Number(text), 1_048_576));
});

Deno.test("openLibrary() opens a library that is there and throws for one that isn't", () => {
  openLibrary("libc.so.6");
  assert.throws(() => openLibrary("libno-such-thing.so"));
});
