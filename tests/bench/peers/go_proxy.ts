/**
 * Go's own ReverseProxy with x/net/http2 towards the backend: `go_proxy/main.go`, built when it takes part.
 *
 * @module
 */

import { HTTP_NAMES, type HttpPeer, writePair } from "./http_peer.ts";
import { firstLine } from "./peer.ts";

const SOURCE = new URL("go_proxy/", import.meta.url).pathname;

/** Go's proxy. Left out where there is no Go, or where it can't be built. */
export const goProxy: HttpPeer = {
  name: "Go",
  describe: async (workers) => {
    const version = await firstLine(goCommand(), ["version"]);
    return version && `${version}, ReverseProxy, x/net/http2; GOMAXPROCS ${workers}`;
  },
  prepare: async (options) => {
    const { certificate, key } = await writePair(options);
    const { folder, port, backendPort, workers } = options;
    const { success, stderr } = await new Deno.Command(goCommand(), {
      args: ["build", "-mod=mod", "-o", `${folder}/go-proxy`, "."],
      cwd: await copySource(folder),
    }).output();
    if (!success) throw new Error(`go build failed:\n${new TextDecoder().decode(stderr)}`);
    const args = [port, backendPort, HTTP_NAMES.http1, certificate, key].map(String);
    return ["env", `GOMAXPROCS=${workers}`, `${folder}/go-proxy`, ...args];
  },
};

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
