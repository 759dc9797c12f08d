/**
 * One first flight sent to the running program in one of four ways, and what its client sees.
 *
 * @module
 */

/** How a first flight is sent: in one write, in two, in one for each byte, and in one with FIN right after it. */
export const DELIVERIES = ["whole", "halves", "bytes", "fin"] as const;

/** One of {@linkcode DELIVERIES}. */
export type Delivery = typeof DELIVERIES[number];

/** What the client saw. */
export interface Answer {
  /** Our own `address:port`, as the event names it. */
  readonly client: string;
  /** Everything that came. */
  readonly bytes: Uint8Array;
  /** How it ended; `late`: it had not ended in time. */
  readonly end: "fin" | "reset" | "late";
}

/** An exchange under way. */
export interface Exchange {
  /** Resolves when every byte has left, or can't any more. */
  readonly sent: Promise<void>;
  readonly answer: Promise<Answer>;
}

/** More than the program's own deadline for a hello. */
const TIMEOUT_MS = 30_000;
const READ_BYTES = 65_536;

/**
 * Sends `flight` and reads. When `isWhole` says that everything wanted has come, the client's FIN follows; reading
 * goes on to the other side's end.
 *
 * @param isWhole told of all bytes that came so far
 */
export async function deliver(
  addr: string,
  flight: Uint8Array,
  delivery: Delivery,
  isWhole: (bytes: Uint8Array) => boolean,
): Promise<Exchange> {
  const [hostname, port] = addr.split(":");
  const connection = await Deno.connect({ hostname: hostname!, port: Number(port) });
  connection.setNoDelay(true);
  // The other side may have ended: what it said is in the answer.
  const sent = write(connection, flight, delivery).catch(() => {});
  return { sent, answer: read(connection, sent, isWhole) };
}

async function read(
  connection: Deno.TcpConn,
  sent: Promise<void>,
  isWhole: (bytes: Uint8Array) => boolean,
): Promise<Answer> {
  const { hostname, port } = connection.localAddr;
  const buffer = new Uint8Array(READ_BYTES);
  let end: "fin" | "reset" = "fin";
  const late = AbortSignal.timeout(TIMEOUT_MS);
  const close = () => connection.close();
  late.addEventListener("abort", close);
  let bytes = new Uint8Array(0);
  try {
    for (let count; (count = await connection.read(buffer)) !== null;) {
      const before = bytes;
      bytes = new Uint8Array(before.length + count);
      bytes.set(before);
      bytes.set(buffer.subarray(0, count), before.length);
      // Before the last write has returned the echo of its byte may be here.
      if (isWhole(bytes)) void sent.then(() => connection.closeWrite()).catch(() => {});
    }
  } catch {
    end = "reset";
  }
  late.removeEventListener("abort", close);
  if (!late.aborted) close();
  return { client: `${hostname}:${port}`, bytes, end: late.aborted ? "late" : end };
}

async function write(connection: Deno.TcpConn, flight: Uint8Array, delivery: Delivery): Promise<void> {
  for (const piece of piecesOf(flight, delivery)) {
    for (let done = 0; done < piece.length;) done += await connection.write(piece.subarray(done));
    // Two writes of one turn may travel as one segment.
    if (delivery === "halves") await new Promise((resolve) => setTimeout(resolve, 2));
  }
  if (delivery === "fin") await connection.closeWrite();
}

function* piecesOf(flight: Uint8Array, delivery: Delivery): Generator<Uint8Array> {
  if (delivery === "bytes") { for (let at = 0; at < flight.length; at++) yield flight.subarray(at, at + 1); }
  else if (delivery === "halves") {
    const half = flight.length >> 1;
    yield flight.subarray(0, half);
    yield flight.subarray(half);
  } else yield flight;
}
