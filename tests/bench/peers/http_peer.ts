/**
 * A peer of the layer-7 measures: it terminates TLS with a given certificate and forwards two names to one backend, to
 * one by h2c and to the other by HTTP/1.1.
 *
 * @module
 */

import type { KeyPair } from "../../support/certificates.ts";
import type { Peer, PeerOptions } from "./peer.ts";

/** Server names: by what the backend is spoken to. */
export const HTTP_NAMES = { h2: "h2.bench.test", http1: "http1.bench.test" } as const;

/** What a peer is told before it starts. */
export interface HttpPeerOptions extends Omit<PeerOptions, "routes"> {
  /** The backend's port on 127.0.0.1. */
  readonly backendPort: number;
  /** Certificate of both names. */
  readonly pair: KeyPair;
}

/** A proxy that can take part. No peer logs requests. */
export interface HttpPeer extends Omit<Peer, "prepare"> {
  /** See {@linkcode Peer.prepare}. */
  prepare(options: HttpPeerOptions): Promise<readonly string[]>;
}

/** Writes the pair into the folder. @returns paths of certificate, key, and both in one */
export async function writePair(
  { folder, pair }: HttpPeerOptions,
): Promise<{ certificate: string; key: string; both: string }> {
  const paths = { certificate: `${folder}/site.pem`, key: `${folder}/site.key`, both: `${folder}/both.pem` };
  await Deno.writeTextFile(paths.certificate, pair.certificate);
  await Deno.writeTextFile(paths.key, pair.key);
  await Deno.writeTextFile(paths.both, pair.certificate + pair.key);
  return paths;
}
