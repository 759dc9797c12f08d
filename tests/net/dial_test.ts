import assert from "node:assert/strict";
import { Deadlines } from "../../src/net/deadlines.ts";
import { dial, type DialOutcome } from "../../src/net/dial.ts";
import { unreachableBackend } from "../support/backends.ts";
import { eventually } from "../e2e/eventually.ts";
import { freePort } from "../support/ports.ts";
import type { DialAnswer, DialRow } from "./dial_child.ts";
import { canUnshare } from "./namespaces.ts";
import { tcpSockets } from "./tcp_sockets.ts";

const TIMEOUTS = { connectTimeoutMs: 5_000, dialTimeoutMs: 10_000 };
/** What a machine under load may add. */
const LATE_MS = 3_000;

const CHILD = new URL("dial_child.ts", import.meta.url).pathname;

interface Dialled {
  readonly outcome: DialOutcome;
  readonly tookMs: number;
}

/** Dials with deadlines of its own. */
async function dialled(
  host: string,
  port: number,
  timeouts: Partial<typeof TIMEOUTS> = {},
): Promise<Dialled> {
  using deadlines = new Deadlines();
  const startedMs = performance.now();
  const outcome = await dial({ host, port }, { deadlines, ...TIMEOUTS, ...timeouts });
  return { outcome, tookMs: performance.now() - startedMs };
}

/** Checks a connection that came about, and closes both of its ends. */
async function assertConnects(host: string, listener: Deno.TcpListener): Promise<void> {
  const [{ outcome }, accepted] = await Promise.all([dialled(host, listener.addr.port), listener.accept()]);
  assert.ok(outcome.kind === "connected", `${host}: ${outcome.kind}`);
  await outcome.conn.write(Uint8Array.of(1));
  assert.equal(await accepted.read(new Uint8Array(1)), 1);
  outcome.conn.close();
  accepted.close();
}

Deno.test("dial() connects to literals of both families and to names", async () => {
  const rows = [
    ["127.0.0.1", "127.0.0.1"],
    ["127.0.0.1", "localhost"],
    ["127.0.0.1", "::ffff:127.0.0.1"],
    ["::1", "::1"],
  ] as const;
  for (const [hostname, host] of rows) {
    using listener = Deno.listen({ hostname, port: 0 });
    await assertConnects(host, listener);
  }
});

Deno.test("dial() fails for a name that doesn't resolve and for what is no address", async () => {
  for (const host of ["no-such-name.invalid", "999.1.1.1", "fe80::zz", ""]) {
    const { outcome, tookMs } = await dialled(host, 443, { dialTimeoutMs: 1_000 });
    // Some resolvers take longer than the limit to say no.
    assert.match(outcome.kind, /^dial_(failed|timeout)$/, host);
    assert.ok(tookMs < 1_000 + LATE_MS, `${host}: ${tookMs} ms`);
  }
});

Deno.test("dial() fails at once where nobody listens", async () => {
  const port = freePort();
  for (const host of ["127.0.0.1", "::1", "localhost"]) {
    const { outcome, tookMs } = await dialled(host, port);
    assert.equal(outcome.kind, "dial_failed", host);
    assert.ok(tookMs < LATE_MS, `${host}: ${tookMs} ms`);
  }
});

Deno.test("dial() gives up when one try or all of it takes too long", async () => {
  await using backend = await unreachableBackend();
  const rows = [
    { host: "127.0.0.1", connectTimeoutMs: 200, dialTimeoutMs: 5_000 },
    { host: "127.0.0.1", connectTimeoutMs: 5_000, dialTimeoutMs: 200 },
    { host: "localhost", connectTimeoutMs: 200, dialTimeoutMs: 5_000 },
    { host: "localhost", connectTimeoutMs: 5_000, dialTimeoutMs: 200 },
  ];
  const before = tcpSockets();
  for (const { host, ...timeouts } of rows) {
    const { outcome, tookMs } = await dialled(host, backend.port, timeouts);
    const row = `${host} ${JSON.stringify(timeouts)}: ${outcome.kind} after ${tookMs} ms`;
    assert.equal(outcome.kind, "dial_timeout", row);
    assert.ok(tookMs >= 200 && tookMs < LATE_MS, row);
  }
  await eventually("every socket closed", () => tcpSockets() === before, 2_000);
});

/** A network whose kernel has these ports alone for connections, and a shell that runs the rest there. */
const TWO_PORTS = ["-rn", "sh", "-c", 'ip link set lo up && echo "40000 40001" > "$0" && exec "$@"'];
const PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

Deno.test({
  name: "dial() fails where a connection met itself, as the kernel lets it when nobody listens",
  ignore: !canUnshare([...TWO_PORTS, PORT_RANGE, "true"]),
  fn: async () => {
    const rows = [40_000, 40_001].map((port): DialRow => ({ port, ...TIMEOUTS }));
    const command = [Deno.execPath(), "run", "-A", CHILD, "127.0.0.1", JSON.stringify(rows)];
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: [...TWO_PORTS, PORT_RANGE, ...command],
    })
      .output();
    assert.equal(new TextDecoder().decode(stderr), "");
    const answers = JSON.parse(new TextDecoder().decode(stdout)) as DialAnswer[];
    assert.deepEqual(answers.map(({ kind }) => kind), ["dial_failed", "dial_failed"]);
  },
});

const NAME = "many.test";
const ADDRESSES = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];

/** Runs a command where /etc/hosts gives the name all of the addresses: in a mount namespace of its own. */
async function withHosts(command: readonly string[]): Promise<Deno.CommandOutput> {
  const hosts = await Deno.makeTempFile({ prefix: "mc-proxy-test-" });
  await Deno.writeTextFile(hosts, ADDRESSES.map((address) => `${address} ${NAME}\n`).join(""));
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  const args = ["-rm", "sh", "-c", script, hosts, ...command];
  const output = await new Deno.Command("unshare", { args }).output().finally(() => Deno.remove(hosts));
  return output;
}

/** What stands at each address of the name, all on one port. Disposal closes it. */
class Addresses implements Disposable {
  readonly port = freePort();
  readonly #open: { close(): void }[] = [];

  /** Accepts and closes what comes. */
  listen(address: string): this {
    const listener = Deno.listen({ hostname: address, port: this.port });
    this.#open.push(listener);
    const accept = async () => {
      for (;;) (await listener.accept()).close();
    };
    accept().catch(() => {});
    return this;
  }

  /** Takes no connection and refuses none: its queue is full. */
  async fill(address: string): Promise<this> {
    const at = { hostname: address, port: this.port };
    this.#open.push(Deno.listen({ ...at, tcpBacklog: 1 }));
    for (;;) {
      const waiting = await Deno.connect({ ...at, signal: AbortSignal.timeout(200) }).catch(() => undefined);
      if (waiting === undefined) return this;
      this.#open.push(waiting);
    }
  }

  [Symbol.dispose](): void {
    for (const each of this.#open) each.close();
  }
}

Deno.test({
  name: "dial() tries all addresses of a name beside each other and drops the losers",
  ignore: !canUnshare(["-rm", "mount", "--bind", "/dev/null", "/etc/hosts"]),
  fn: async () => {
    const [first, second, third] = ADDRESSES as [string, string, string];
    const patient = { connectTimeoutMs: 4_000, dialTimeoutMs: 8_000 };
    const rows: [DialRow, kind: string, address: string | undefined, minMs: number, maxMs: number][] = [];
    using refusing = new Addresses();
    rows.push([{ ...patient, port: refusing.port }, "dial_failed", undefined, 0, 1_000]);
    using one = new Addresses().listen(first);
    rows.push([{ ...patient, port: one.port }, "connected", first, 0, 1_000]);
    using other = new Addresses().listen(third);
    rows.push([{ ...patient, port: other.port }, "connected", third, 0, 1_000]);
    using hanging = await (await new Addresses().listen(second).fill(first)).fill(third);
    rows.push([{ ...patient, port: hanging.port }, "connected", second, 0, 2_000]);
    using silent = await (await (await new Addresses().fill(first)).fill(second)).fill(third);
    const { port } = silent;
    // Each try has its own limit, and they begin 250 ms after each other.
    rows.push([{ port, connectTimeoutMs: 400, dialTimeoutMs: 8_000 }, "dial_timeout", undefined, 900, 3_000]);
    rows.push([{ port, connectTimeoutMs: 4_000, dialTimeoutMs: 300 }, "dial_timeout", undefined, 300, 3_000]);
    using mixed = await new Addresses().fill(first);
    const short = { port: mixed.port, connectTimeoutMs: 300, dialTimeoutMs: 8_000 };
    rows.push([short, "dial_timeout", undefined, 300, 3_000]);

    const plan = JSON.stringify(rows.map(([row]) => row));
    const { stdout, stderr } = await withHosts([Deno.execPath(), "run", "-A", CHILD, NAME, plan]);
    assert.equal(new TextDecoder().decode(stderr), "");
    const answers = JSON.parse(new TextDecoder().decode(stdout)) as DialAnswer[];
    for (const [index, [, kind, address, minMs, maxMs]] of rows.entries()) {
      const answer = answers[index]!;
      assert.deepEqual([answer.kind, answer.address], [kind, address], `row ${index}`);
      assert.ok(answer.tookMs >= minMs && answer.tookMs < maxMs, `row ${index}: ${answer.tookMs} ms`);
    }
  },
});
