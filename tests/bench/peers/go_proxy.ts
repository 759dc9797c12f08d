/**
 * Go's own ReverseProxy with x/net/http2 towards the backend: `go_proxy/main.go`, built when it takes part.
 *
 * @module
 */

import { printError } from "../../support/print.ts";
import { HTTP_NAMES, type HttpPeer, writePair } from "./http_peer.ts";
import { firstLine } from "./peer.ts";

const SOURCE = new URL("go_proxy/", import.meta.url).pathname;

/** Go's proxy. Left out where there is no Go, or where it can't be built. */
export const goProxy: HttpPeer = {
  name: "Go",
  describe: async (workers) => {
    const version = await firstLine(goCommand(), ["version"]);
    if (version === undefined) return undefined;
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-bench-go-" });
    const problem = await build(folder).finally(() => Deno.remove(folder, { recursive: true }));
    if (problem !== undefined) {
      printError(`go build: ${problem}`);
      return undefined;
    }
    return `${version}, ReverseProxy, x/net/http2; GOMAXPROCS ${workers}`;
  },
  prepare: async (options) => {
    const { certificate, key } = await writePair(options);
    const { folder, port, backendPort, workers } = options;
    const problem = await build(folder);
    if (problem !== undefined) throw new Error(`go build: ${problem}`);
    const args = [port, backendPort, HTTP_NAMES.http1, certificate, key].map(String);
    return ["env", `GOMAXPROCS=${workers}`, `${folder}/go-proxy`, ...args];
  },
};

/** Makes `go-proxy` in the folder. @returns what Go says when it can't */
async function build(folder: string): Promise<string | undefined> {
  const { success, stderr } = await new Deno.Command(goCommand(), {
    args: ["build", "-mod=mod", "-o", `${folder}/go-proxy`, "."],
    cwd: await copySource(folder),
  }).output();
  return success ? undefined : new TextDecoder().decode(stderr);
}

function goCommand(): string {
  try {
    return Deno.statSync("/usr/local/go/bin/go").isFile ? "/usr/local/go/bin/go" : "go";
  } catch {
    return "go";
  }
}

/** Go writes its checksums beside the source. */
async function copySource(folder: string): Promise<string> {
  const copy = `${folder}/source`;
  await Deno.mkdir(copy);
  for (const name of ["main.go", "go.mod"]) await Deno.copyFile(`${SOURCE}${name}`, `${copy}/${name}`);
  return copy;
}
