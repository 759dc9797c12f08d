/**
 * The certificate files of L7 routes: read by the main process alone, because workers can't open a file.
 *
 * @module
 */

import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration } from "../state/model.ts";
import {
  CertificateReading,
  isServed,
  type ReadCertificates,
  type ServedRoute,
  SYSTEM_AUTHORITIES,
} from "./certificate_reading.ts";
import type { CertificateSet } from "./certificate_set.ts";
import { stampOf } from "./file_stamp.ts";

/** Reads the files and remembers what they were. */
export class CertificateFiles {
  #stamps = new Map<string, string>();

  /**
   * Reads the files of every enabled L7 route. A route whose new files are of no use keeps what it has in `previous`.
   *
   * @param previous what is served now
   * @param changed ids of the routes to read for; the others keep what they have. Absent = all
   */
  async read(
    configuration: Configuration,
    previous: CertificateSet,
    nowMs: number,
    changed?: ReadonlySet<number>,
  ): Promise<ReadCertificates> {
    const reading = new CertificateReading(previous, nowMs);
    const routes = servedRoutes(configuration).filter(({ route: { id } }) =>
      changed === undefined || changed.has(id) || !reading.keepRoute(id)
    );
    for (const path of pathsOf(routes)) {
      // Before the reading: a file that changes meanwhile is read again later.
      this.#stamps.set(path, await stampOf(path));
      await reading.readFile(path);
    }
    for (const { route, listener } of routes) await reading.addRoute(route, listener);
    return reading.end();
  }

  /**
   * Whether one of the files that this configuration names is another one than when it was read last, with or without
   * success; gone and come back count, too.
   */
  async hasChanged(configuration: Configuration): Promise<boolean> {
    const before = this.#stamps;
    this.#stamps = new Map();
    let hasChanged = false;
    for (const path of pathsOf(servedRoutes(configuration))) {
      const stamp = before.get(path);
      if (stamp === undefined || stamp !== await stampOf(path)) hasChanged = true;
      if (stamp !== undefined) this.#stamps.set(path, stamp);
    }
    return hasChanged;
  }
}

/** An L7 route and its listener's address. */
export interface PlacedRoute {
  /** The route. */
  readonly route: ServedRoute;
  /** The listener's address. */
  readonly listener: string;
}

/** Every enabled L7 route. */
export function servedRoutes({ listeners }: Configuration): PlacedRoute[] {
  return listeners.flatMap(({ address, routes }) =>
    routes.filter(isServed).map((route) => ({ route, listener: formatEndpoint(address) }))
  );
}

function pathsOf(routes: readonly PlacedRoute[]): ReadonlySet<string> {
  const paths = routes.flatMap(({ route: { l7 } }) => [
    l7.tlsCert,
    l7.tlsKey,
    ...!l7.backendTls ? [] : l7.backendCa === "" ? SYSTEM_AUTHORITIES : [l7.backendCa],
  ]);
  return new Set(paths);
}
