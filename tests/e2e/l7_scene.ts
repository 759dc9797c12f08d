/**
 * A scenario between clients and backends whose HTTP is the project's own codec: a backend for each version, and a
 * route to each.
 *
 * @module
 */

import { type BackendOptions, CodecBackend } from "../l7/codec_backend.ts";
import type { RouteTable } from "../support/config.ts";
import type { PeerStream } from "../l7/http_peer.ts";
import { type Name, openSite, type Site } from "./l7_site.ts";

/** What is spoken on either side. */
export type Version = "h2" | "http/1.1";

/** Both, to walk over. */
export const VERSIONS = ["h2", "http/1.1"] as const;

/** The route that leads to the backend of that version. */
export const NAME_OF: Readonly<Record<Version, Name>> = { "h2": "h2c.test", "http/1.1": "h1.test" };

/** Backends and routes, until it is disposed of. */
export interface Scene extends AsyncDisposable {
  readonly site: Site;
  readonly backends: Readonly<Record<Version, CodecBackend>>;
  readonly routes: readonly RouteTable[];
  /** Every request by the version of its backend, in the order in which they came. */
  readonly requests: Readonly<Record<Version, PeerStream[]>>;
}

/** What both backends do with a request; see {@linkcode BackendOptions}. Default: `hello` to a complete request. */
export type Behaviour = Partial<Omit<BackendOptions, "version">>;

/** Opens backends that behave so. @param keys more keys of both routes */
export async function openScene(behaviour: Behaviour = {}, keys: object = {}): Promise<Scene> {
  const site = await openSite();
  const requests: Record<Version, PeerStream[]> = { "h2": [], "http/1.1": [] };
  const backend = (version: Version) =>
    new CodecBackend({
      version,
      onEnd: (stream) => stream.respond(200, { text: "hello" }),
      ...behaviour,
      onHead: (stream) => {
        requests[version].push(stream);
        behaviour.onHead?.(stream);
      },
    });
  const backends = { "h2": backend("h2"), "http/1.1": backend("http/1.1") };
  const route = (version: Version, more: object) =>
    site.route(NAME_OF[version], `127.0.0.1:${backends[version].port}`, { ...more, ...keys });
  return {
    site,
    backends,
    requests,
    routes: [route("h2", {}), route("http/1.1", { backend_protocol: "http/1.1" })],
    [Symbol.asyncDispose]: async () => {
      await Promise.all(VERSIONS.map((version) => backends[version][Symbol.asyncDispose]()));
      await site[Symbol.asyncDispose]();
    },
  };
}

/** Calls `use` for every pair of versions, with the pair's name. */
export async function eachPair(
  use: (client: Version, backend: Version, name: string) => Promise<void>,
): Promise<void> {
  for (const client of VERSIONS) {
    for (const backend of VERSIONS) await use(client, backend, `${client} to ${backend}`);
  }
}
