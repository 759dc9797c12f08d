/**
 * The load generator, a process of its own: `load.ts KIND PORT HELLO COUNT AT_ONCE BYTES`.
 *
 * HELLO is a ClientHello in hex, sent first on every connection. One line of JSON is written when all is done:
 * {@linkcode LoadResult}. What can't be connected, ends early or answers with another number of bytes has failed.
 *
 * @module
 */

/**
 * - `bulk`: COUNT connections at once, each reads BYTES
 * - `connections`: COUNT connections, AT_ONCE at a time, each reads BYTES and the end
 * - `echo`: COUNT one-byte round trips, one at a time, over AT_ONCE connections in turn
 * - `idle`: COUNT connections that have had one round trip are kept open until standard input ends;
 *   the result is written as soon as all are open
 */
export type LoadKind = "bulk" | "connections" | "echo" | "idle";

/** What came of a load. */
export interface LoadResult {
  readonly failed: number;
  /** From the first connect to the last byte. */
  readonly seconds: number;
  /** Microseconds of each round trip of `echo`; empty for other kinds. */
  readonly latenciesMicros: readonly number[];
}

interface Load {
  readonly port: number;
  readonly hello: Uint8Array;
  readonly count: number;
  readonly atOnce: number;
  readonly bytes: number;
}

type Outcome = Omit<LoadResult, "seconds">;

const BULK_BUFFER_BYTES = 262_144;

const KINDS: Record<LoadKind, (load: Load) => Promise<Outcome>> = { bulk, connections, echo, idle };

async function bulk(load: Load): Promise<Outcome> {
  const one = () => whole(load, new Uint8Array(BULK_BUFFER_BYTES));
  return counted(await Promise.all(Array.from({ length: load.count }, one)));
}

async function connections(load: Load): Promise<Outcome> {
  let left = load.count;
  let failed = 0;
  const line = async () => {
    const buffer = new Uint8Array(4_096);
    while (left-- > 0) if (!await whole(load, buffer)) failed++;
  };
  await Promise.all(Array.from({ length: load.atOnce }, line));
  return { failed, latenciesMicros: [] };
}

async function echo(load: Load): Promise<Outcome> {
  const open = await openAll(load, load.atOnce);
  const latenciesMicros: number[] = [];
  const byte = new Uint8Array(1);
  let failed = load.atOnce - open.length;
  for (let turn = 0; turn < load.count && failed === 0; turn++) {
    const connection = open[turn % open.length]!;
    const start = performance.now();
    await connection.write(byte);
    if (await connection.read(byte) !== 1) failed++;
    latenciesMicros.push((performance.now() - start) * 1_000);
  }
  for (const connection of open) connection.close();
  return { failed, latenciesMicros };
}

async function idle(load: Load): Promise<Outcome> {
  const open = await openAll(load, load.count);
  held = async () => {
    for await (const _ of Deno.stdin.readable);
    for (const connection of open) connection.close();
  };
  return { failed: load.count - open.length, latenciesMicros: [] };
}

/** What goes on after the result is out. */
let held = () => Promise.resolve();

/** One connection from hello to end: whether it brought exactly the bytes wanted. */
async function whole(load: Load, buffer: Uint8Array): Promise<boolean> {
  let got = 0;
  try {
    using connection = await connect(load);
    for (let count; (count = await connection.read(buffer)) !== null;) got += count;
  } catch {
    return false;
  }
  return got === load.bytes;
}

/** Connections whose hello has come back whole from an echo; fewer than `count` when some failed. */
async function openAll(load: Load, count: number): Promise<Deno.Conn[]> {
  const open: Deno.Conn[] = [];
  for (let tried = 0; tried < count; tried += 50) {
    const some = Array.from({ length: Math.min(50, count - tried) }, () => openOne(load));
    open.push(...(await Promise.all(some)).filter((connection) => connection !== null));
  }
  return open;
}

async function openOne(load: Load): Promise<Deno.Conn | null> {
  const buffer = new Uint8Array(load.hello.length);
  try {
    const connection = await connect(load);
    for (let got = 0; got < buffer.length;) got += await connection.read(buffer.subarray(got)) ?? Infinity;
    return connection;
  } catch {
    return null;
  }
}

async function connect(load: Load): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: load.port });
  connection.setNoDelay(true);
  await connection.write(load.hello);
  return connection;
}

function counted(successes: readonly boolean[]): Outcome {
  return { failed: successes.filter((success) => !success).length, latenciesMicros: [] };
}

async function main([kind, port, hello, count, atOnce, bytes]: string[]): Promise<void> {
  const load = {
    port: Number(port),
    hello: Uint8Array.fromHex(hello!),
    count: Number(count),
    atOnce: Number(atOnce),
    bytes: Number(bytes),
  };
  const start = performance.now();
  const outcome = await KINDS[kind as LoadKind](load);
  const result: LoadResult = { ...outcome, seconds: (performance.now() - start) / 1_000 };
  await new Blob([`${JSON.stringify(result)}\n`]).stream().pipeTo(Deno.stdout.writable, {
    preventClose: true,
  });
  await held();
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
