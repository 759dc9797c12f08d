/**
 * One round of layer 7: starts every peer on one backend, takes each measure of each in turn, and ends them.
 *
 * @module
 */

import { CertificateAuthority } from "../../support/certificates.ts";
import { LineReader } from "../../support/line_reader.ts";
import type { Figures } from "../measures/measure.ts";
import { HTTP_NAMES, type HttpPeer } from "../peers/http_peer.ts";
import { type RunningPeer, startPeer } from "../peers/peer.ts";
import { h2load } from "./h2load.ts";
import { type HttpMeasure, UPLOAD_BYTES } from "./measures.ts";

/** What a round is told. */
export interface HttpRound {
  readonly peers: readonly HttpPeer[];
  readonly measures: readonly HttpMeasure[];
  readonly workers: number;
  /** Is told of figures as they are taken. */
  readonly taken: (peer: string, figures: Figures) => void;
}

/** Runs a round. Throws when a peer doesn't start, or when a request isn't answered by a 2xx. */
export async function runHttpRound({ peers, measures, workers, taken }: HttpRound): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-bench-l7-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const authority = await CertificateAuthority.create();
  const pair = await authority.issue({ names: Object.values(HTTP_NAMES) });
  await Deno.writeTextFile(`${folder}/ca.pem`, authority.certificate);
  await Deno.writeFile(`${folder}/content`, new Uint8Array());
  await Deno.truncate(`${folder}/content`, UPLOAD_BYTES);
  const { port: backendPort, ...backend } = await startHttpBackend();
  stack.use(backend);
  const running: RunningPeer[] = [];
  for (const peer of peers) {
    const started = {
      ...peer,
      prepare: (options: { folder: string; port: number }) =>
        peer.prepare({ ...options, workers, backendPort, pair }),
    };
    running.push(stack.use(await startPeer(started, { routes: {}, workers }, probe)));
  }
  for (const measure of measures) {
    for (const peer of running) {
      const options = {
        peer,
        backendPort,
        folder,
        content: `${folder}/content`,
        authority: `${folder}/ca.pem`,
      };
      taken(peer.name, await measure.run(options));
    }
  }
}

async function startHttpBackend(): Promise<{ port: number } & AsyncDisposable> {
  const path = new URL("../http_backend.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const line = Promise.withResolvers<string>();
  const reader = new LineReader(child.stdout, line.resolve);
  return {
    port: Number(await line.promise),
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await child.status;
      await reader.done;
    },
  };
}

/** Whether one request is answered through `port`. */
async function probe(port: number): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch {
    return false;
  }
  await h2load({ port, name: HTTP_NAMES.h2, path: "/small", requests: 1, clients: 1 });
  return true;
}
