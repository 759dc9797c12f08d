// deno-lint-ignore-file no-top-level-await -- a program, nothing imports it
/**
 * `deno task h2spec`: runs h2spec, strict, against the codec over cleartext and over TLS, and against the real program
 * with a layer-7 route to each kind of backend. Exit code 1 when a
 * test fails. Where h2spec isn't installed it says so and how to get it, and ends with 0; with `--required`
 * that is a failure too.
 *
 * @module
 */

import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { startProxy } from "../support/proxy.ts";
import { serveCleartext, serveTls } from "./server.ts";

const TESTS = 146;
const INSTALL = "go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

function findH2spec(): string | undefined {
  const home = Deno.env.get("HOME") ?? "";
  const goPath = Deno.env.get("GOBIN") ?? `${Deno.env.get("GOPATH") ?? `${home}/go`}/bin`;
  return ["h2spec", `${goPath}/h2spec`].find(hasProgram);
}

async function runH2spec(
  program: string,
  what: string,
  port: number,
  extra: string[],
  host = "127.0.0.1",
): Promise<boolean> {
  const args = ["-S", "-h", host, "-p", String(port), ...extra];
  const { code, stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
  const text = new TextDecoder().decode(stdout);
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(text);
  const passed = code === 0 && summary !== null && Number(summary[2]) >= TESTS && summary[4] === "0";
  print(passed ? `h2spec ${what}: ${summary![0]}` : `h2spec ${what}:\n${text}`);
  return passed;
}

/** h2spec asks for `localhost`, by the proxy's route to `backend`. */
async function runThroughProgram(
  program: string,
  backend: string,
  protocol: string,
  pair: KeyPair,
): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-h2spec-" });
  try {
    const [certificate, key] = [`${folder}/site.pem`, `${folder}/site.key`];
    await Deno.writeTextFile(certificate, pair.certificate);
    await Deno.writeTextFile(key, pair.key);
    const route = {
      hostname: "localhost",
      backend,
      mode: "l7",
      backend_protocol: protocol,
      tls_cert: certificate,
      tls_key: key,
    };
    await using proxy = await startProxy({ listeners: [{ routes: [route] }] });
    const port = Number(proxy.addr.split(":")[1]);
    return await runH2spec(program, `through mc-proxy to ${protocol}`, port, ["-t", "-k"], "localhost");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const h2spec = findH2spec();
if (h2spec === undefined) {
  print(`h2spec is not installed, nothing was tested; get it with: ${INSTALL}`);
  Deno.exitCode = Deno.args.includes("--required") ? 1 : 0;
} else {
  await using cleartext = serveCleartext();
  const pair = await (await CertificateAuthority.create()).issue({
    names: ["localhost", "127.0.0.1"],
  });
  await using tls = await serveTls(pair.certificate, pair.key);
  await using http1 = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      await request.body?.pipeTo(new WritableStream()).catch(() => {});
      return new Response("hello");
    },
  );
  const results = [
    await runH2spec(h2spec, "in clear", cleartext.port, []),
    await runH2spec(h2spec, "over TLS", tls.port, ["-t", "-k"]),
    await runThroughProgram(h2spec, `127.0.0.1:${cleartext.port}`, "h2c", pair),
    await runThroughProgram(h2spec, `127.0.0.1:${http1.addr.port}`, "http/1.1", pair),
  ];
  if (results.includes(false)) Deno.exitCode = 1;
}
