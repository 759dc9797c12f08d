// deno-lint-ignore-file no-top-level-await -- a program, nothing imports it
/**
 * `deno task h2spec`: runs h2spec, strict, against the codec over cleartext and over TLS. Exit code 1 when a
 * test fails. Where h2spec isn't installed it says so and how to get it, and ends with 0; with `--required`
 * that is a failure too.
 *
 * @module
 */

import { print } from "../support/print.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { serveCleartext, serveTls } from "./server.ts";

const TESTS = 146;
const INSTALL = "go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

function findH2spec(): string | undefined {
  const home = Deno.env.get("HOME") ?? "";
  const goPath = Deno.env.get("GOBIN") ?? `${Deno.env.get("GOPATH") ?? `${home}/go`}/bin`;
  for (const program of ["h2spec", `${goPath}/h2spec`]) {
    try {
      new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).outputSync();
      return program;
    } catch {
      // Not there: try the next place.
    }
  }
  return undefined;
}

async function runH2spec(program: string, port: number, extra: string[]): Promise<boolean> {
  const args = ["-S", "-h", "127.0.0.1", "-p", String(port), ...extra];
  const { code, stdout } = await new Deno.Command(program, { args, stderr: "inherit" }).output();
  const text = new TextDecoder().decode(stdout);
  const summary = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(text);
  const passed = code === 0 && summary !== null && Number(summary[2]) >= TESTS && summary[4] === "0";
  print(passed ? `h2spec${extra.includes("-t") ? " over TLS" : ""}: ${summary![0]}` : text);
  return passed;
}

const h2spec = findH2spec();
if (h2spec === undefined) {
  print(`h2spec is not installed, nothing was tested; get it with: ${INSTALL}`);
  Deno.exitCode = Deno.args.includes("--required") ? 1 : 0;
} else {
  await using cleartext = serveCleartext();
  const { certificate, key } = await (await CertificateAuthority.create()).issue({
    names: ["localhost", "127.0.0.1"],
  });
  await using tls = await serveTls(certificate, key);
  const results = [
    await runH2spec(h2spec, cleartext.port, []),
    await runH2spec(h2spec, tls.port, ["-t", "-k"]),
  ];
  if (results.includes(false)) Deno.exitCode = 1;
}
