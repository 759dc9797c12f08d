/**
 * A storm of declared clients, from a process of its own: `storm.ts ADDR KIND COUNT AT_ONCE SECONDS`. Goes on until
 * both COUNT clients have come and SECONDS have passed, then prints {@linkcode StormResult} as one line of JSON.
 *
 * - `one`: all are 192.0.2.1; each sends a hello and takes what comes
 * - `spoofed`: each is of a /64 of its own, ends after its header, and waits for the proxy's end
 *
 * @module
 */

import { LineReader } from "../support/line_reader.ts";
import { print } from "../support/print.ts";
import { attempt, type Fate, versionTwo } from "./declared.ts";

/** Who comes. */
export type StormKind = "one" | "spoofed";

/** What became of the clients. */
export type StormResult = Readonly<Record<Fate, number>> & { readonly seconds: number };

/** What a storm is told. */
export interface StormOptions {
  readonly addr: string;
  readonly kind: StormKind;
  /** Clients that come at least. */
  readonly count: number;
  /** Clients at once. */
  readonly atOnce: number;
  /** How long it lasts at least. Default 0. */
  readonly seconds?: number;
}

/** Lets a storm blow to its end. */
export async function storm({ addr, kind, count, atOnce, seconds = 0 }: StormOptions): Promise<StormResult> {
  const path = new URL(import.meta.url).pathname;
  const args = ["run", "--allow-net", path, addr, kind, count, atOnce, seconds].map(String);
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped" }).spawn();
  let line = "";
  await new LineReader(child.stdout, (text) => line = text).done;
  if (!(await child.status).success) throw new Error("the storm broke off");
  return JSON.parse(line);
}

/** The client with this number, of a /64 that no other has. */
function spoofed(number: number): Uint8Array {
  return versionTwo(`2001:${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}:1::1`);
}

/** Sends a header and a FIN, and reads to the proxy's end. */
async function pass(addr: string, header: Uint8Array): Promise<Fate> {
  const { hostname, port } = new URL(`tcp://${addr}`);
  using socket = await Deno.connect({ hostname, port: Number(port) });
  try {
    await socket.write(header);
    await socket.closeWrite();
    while (await socket.read(new Uint8Array(64)) !== null);
    return "closed";
  } catch {
    return "reset";
  }
}

async function main([addr, kind, count, atOnce, seconds]: string[]): Promise<void> {
  const fates = { served: 0, reset: 0, closed: 0 };
  const startedMs = performance.now();
  const lasted = () => (performance.now() - startedMs) / 1_000;
  let came = 0;
  const come = (number: number) =>
    kind === "one" ? attempt(addr!, versionTwo("192.0.2.1")) : pass(addr!, spoofed(number));
  await Promise.all(Array.from({ length: Number(atOnce) }, async () => {
    while (came < Number(count) || lasted() < Number(seconds)) fates[await come(came++)]++;
  }));
  print(JSON.stringify({ ...fates, seconds: lasted() }));
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
