/**
 * The one HTTP backend of all layer-7 measures, a process of its own: HTTP/1.1 and h2c on one port. Writes the port as
 * one line and runs until standard input ends. `/small` is 128 bytes, `/bytes/N` so many, and content is thrown away.
 *
 * @module
 */

const SMALL = new Uint8Array(128).fill(0x61);
const CHUNK = new Uint8Array(65_536);

async function answer(request: Request): Promise<Response> {
  if (request.method === "POST") {
    for await (const _ of request.body ?? []);
    return new Response(SMALL);
  }
  const bytes = /\/bytes\/(\d+)$/.exec(request.url)?.[1];
  return new Response(bytes === undefined ? SMALL : content(Number(bytes)));
}

function content(bytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left === 0) return controller.close();
      const part = CHUNK.slice(0, Math.min(CHUNK.length, left));
      left -= part.length;
      controller.enqueue(part);
    },
  });
}

async function main(): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  await new Blob([`${server.addr.port}\n`]).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  for await (const _ of Deno.stdin.readable);
}

if (import.meta.main) main().then(() => Deno.exit(0));
