/**
 * Binding a Unix socket: of mode 0600 from its first moment, in the place of one that nobody listens on any more, never
 * in the place of one that somebody does.
 *
 * @module
 */

import type { Server } from "node:net";
import { ProxyError } from "../errors.ts";

/**
 * Lets `server` listen at `path`.
 *
 * @throws ProxyError config when another process listens there, or something else has the name; unavailable when the
 * folder can't be written
 */
export async function bindUnixSocket(server: Server, path: string): Promise<void> {
  await removeStale(path);
  // Between bind and chmod another user could connect.
  const umask = Deno.umask(0o177);
  try {
    await listen(server, path);
  } finally {
    Deno.umask(umask);
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket) throw new ProxyError("config", `[grpc] addr: "${path}" is there and is no socket`);
  if (await isLive(path)) {
    throw new ProxyError(
      "config",
      `[grpc] addr: another process listens on "${path}"; end it, or name another path`,
    );
  }
  await Deno.remove(path).catch(() => {});
}

async function isLive(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    // Anything else (no right, a full queue) means that somebody may be there.
    return !(error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound);
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) => {
    const text = `cannot listen on [grpc] addr "${path}": ${error.message}`;
    reject(new ProxyError("unavailable", text, { cause: error }));
  });
  server.listen(path, resolve);
  await promise;
}
