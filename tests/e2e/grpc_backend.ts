/**
 * A gRPC server over h2c on our own codec: one method for each kind of call, and the record of how each call ended.
 *
 * @module
 */

import { CodecBackend } from "../l7/codec_backend.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { bytes, number } from "../support/client_hello.ts";
import { fillPattern } from "../support/pattern.ts";

/** Size of the message that `/t.T/Large` answers, and wants. */
export const LARGE_BYTES = 16_777_216;

const HEAD = ["content-type", "application/grpc"];
const OK = ["grpc-status", "0", "x-trailer", "yes"];

/** One message with its prefix. */
function message(content: Uint8Array | string): Uint8Array {
  const encoded = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return bytes(Uint8Array.of(0), number(encoded.length, 4), encoded);
}

/** What `/t.T/Large` answers. */
export function largeMessage(): Uint8Array {
  const content = new Uint8Array(LARGE_BYTES);
  fillPattern(content, 0);
  return content;
}

/** Listens. `Unary` and `Bidi` echo, `Server` sends three messages, `Client` counts, `Silent` and `Endless` go on. */
export function grpcBackend(): CodecBackend {
  const open = (stream: PeerStream) => stream.respond(200, { fields: HEAD, isOpen: true });
  const backend: CodecBackend = new CodecBackend({
    version: "h2",
    http2: { maxBufferedBytesPerConnection: 4 * LARGE_BYTES },
    onHead: (stream) => {
      const { path } = stream.request!;
      if (path === "/t.T/Fail") {
        stream.respond(200, { fields: [...HEAD, "grpc-status", "5", "grpc-message", "no such thing"] });
      } else if (path === "/t.T/Bidi") {
        open(stream);
        void echo(backend, stream).catch(() => {});
      }
    },
    onEnd: (stream) => {
      const method = stream.request!.path.slice(5);
      if (!["Unary", "Server", "Client", "Large", "Endless"].includes(method)) return;
      open(stream);
      if (method === "Unary") stream.send(stream.text);
      if (method === "Server") { for (const word of ["one", "two", "three"]) stream.send(message(word)); }
      if (method === "Client") stream.send(message(`${stream.text.split("part").length - 1}`));
      if (method === "Large") stream.send(message(largeMessage()));
      if (method === "Endless") stream.send(message("first"));
      else stream.finish(OK);
    },
  });
  return backend;
}

/** Sends back what comes while it comes. */
async function echo(backend: CodecBackend, stream: PeerStream): Promise<void> {
  for (let sent = 0; !stream.isEnded || sent < stream.bytes;) {
    await backend.until("message", () => stream.bytes > sent || stream.isOver);
    if (stream.resetCode !== undefined) return;
    const { text } = stream;
    stream.send(text.slice(sent));
    sent = text.length;
  }
  stream.finish(OK);
}
