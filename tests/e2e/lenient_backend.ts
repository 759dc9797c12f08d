/**
 * A backend of HTTP/1.1 that believes everything: lines that end with LF alone, blanks around names, folded lines,
 * whatever framing it finds first. Where a proxy passes on what two parties could read differently, this one reads it
 * the other way and runs the request that was hidden in there.
 *
 * @module
 */

import { rawBackend, type RawConnection } from "./raw_backend.ts";

/** A running backend. */
export interface LenientBackend extends AsyncDisposable {
  /** `127.0.0.1:port`, as a route names it. */
  readonly addr: string;
  /** `METHOD target` of every request that it ran, in order. */
  readonly ran: readonly string[];
}

/** Answers every request with its own target. */
export async function lenientBackend(): Promise<LenientBackend> {
  const ran: string[] = [];
  const backend = await rawBackend(async (connection) => {
    // A connection that the program cuts in the middle is right here: an attack ends so.
    try {
      while (await serveOne(connection, ran));
    } catch (error) {
      if (!/ECONNRESET|EPIPE|before/.test(String(error))) throw error;
    }
  });
  return { addr: backend.addr, ran, [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose]() };
}

async function serveOne(connection: RawConnection, ran: string[]): Promise<boolean> {
  await connection.take(/[\r\n]*/);
  const head = await connection.take(/[^]*?\r?\n\r?\n/);
  if (head === undefined) return false;
  const [requestLine, ...fieldLines] = head.split(/[\r\n]+/);
  const [method, target] = requestLine!.trim().split(/\s+/);
  ran.push(`${method} ${target}`);
  await skipContent(connection, fieldLines);
  const content = `ran ${target}\n`;
  await connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n${content}`);
  return true;
}

/** "Transfer-Encoding" in any shape wins, then the *last* length that begins with a digit; a wrong one is none. */
async function skipContent(connection: RawConnection, fieldLines: readonly string[]): Promise<void> {
  const text = fieldLines.join("\n").toLowerCase();
  if (/transfer.encoding[^\n]*[:=][^\n]*chunked/.test(text)) {
    for (;;) {
      const size = await connection.take(/[^\n]*\n/);
      const bytes = parseInt(size ?? "", 16);
      if (!(bytes > 0)) break;
      if (await connection.take(new RegExp(`[^]{${bytes}}\\r?\\n?`)) === undefined) return;
    }
    await connection.take(/(?:[^\n]+\n)*?\r?\n/);
    return;
  }
  const length = [...text.matchAll(/content.length\s*:[^\d\n]*(\d+)/g)].at(-1)?.[1];
  if (length !== undefined) await connection.take(new RegExp(`[^]{${Number(length)}}`));
}
