/**
 * The backend and the load generator as child processes.
 *
 * @module
 */

import { clientHello } from "../support/client_hello.ts";
import type { BackendPorts } from "./backend.ts";
import type { LoadKind, LoadResult } from "./load.ts";

/** Server names of the three routes. */
export const NAMES = {
  stream: "stream.bench.test",
  answer: "answer.bench.test",
  echo: "echo.bench.test",
} as const;

/** Bytes of one bulk stream. */
export const STREAM_BYTES = 1_073_741_824;
/** Bytes of one answer. */
export const ANSWER_BYTES = 1_024;
/** Handshake bytes of today's browsers' hello without a post-quantum key share: about half a KiB. */
const PADDING_BYTES = 300;

/** One load, as `load.ts` takes it. */
export interface LoadRequest {
  readonly kind: LoadKind;
  readonly port: number;
  readonly name: string;
  readonly count: number;
  readonly atOnce: number;
  /** Bytes that each connection must bring; 0 where the kind doesn't count them. */
  readonly bytes: number;
}

/** A load that has written its result and may hold connections until disposal. */
export interface Load extends AsyncDisposable {
  readonly result: LoadResult;
}

/** The hello that every connection to `name` sends. */
export function helloFor(name: string): Uint8Array {
  return clientHello({ serverName: name, alpn: ["h2", "http/1.1"], paddingBytes: PADDING_BYTES });
}

/** Starts the backend. Disposal ends it. */
export async function startBackend(): Promise<BackendPorts & AsyncDisposable> {
  const { line, dispose } = await spawn("backend.ts", [`${STREAM_BYTES}`, `${ANSWER_BYTES}`]);
  return { ...JSON.parse(line) as BackendPorts, [Symbol.asyncDispose]: dispose };
}

/** Runs a load to its result. */
export async function startLoad(request: LoadRequest): Promise<Load> {
  const { kind, port, name, count, atOnce, bytes } = request;
  const { line, dispose } = await spawn("load.ts", [
    kind,
    `${port}`,
    helloFor(name).toHex(),
    `${count}`,
    `${atOnce}`,
    `${bytes}`,
  ]);
  return { result: JSON.parse(line) as LoadResult, [Symbol.asyncDispose]: dispose };
}

/** Whether one answer comes back whole from `port`. */
export async function probe(port: number): Promise<boolean> {
  const buffer = new Uint8Array(ANSWER_BYTES + 1);
  let got = 0;
  try {
    using connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(helloFor(NAMES.answer));
    for (let count; (count = await connection.read(buffer.subarray(got))) !== null;) got += count;
  } catch {
    return false;
  }
  return got === ANSWER_BYTES;
}

async function spawn(
  file: string,
  args: readonly string[],
): Promise<{ line: string; dispose: () => Promise<void> }> {
  const path = new URL(file, import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", "--unstable-net", path, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.endsWith("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${file} ${args[0]} ended without a result`);
    line += value;
  }
  const dispose = async () => {
    await child.stdin.close();
    await reader.cancel();
    await child.status;
  };
  return { line, dispose };
}
