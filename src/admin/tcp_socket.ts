/**
 * Binding the admin API's TCP port.
 *
 * @module
 */

import type { Server } from "node:net";
import { ProxyError } from "../errors.ts";
import { parseListenAddress } from "../state/listen_address.ts";

/** Lets `server` listen at `addr`. @throws ProxyError config when it is no address, or can't be listened on */
export async function bindTcp(server: Server, addr: string): Promise<void> {
  const address = parseListenAddress(addr);
  if (address === undefined) throw new ProxyError("config", `"${addr}" is no address to listen on`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) => {
    reject(
      new ProxyError("config", `cannot listen on [grpc] addr "${addr}": ${error.message}`, { cause: error }),
    );
  });
  server.listen(address.port, address.host, resolve);
  await promise;
}
