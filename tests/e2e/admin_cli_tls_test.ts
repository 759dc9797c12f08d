/**
 * Goal: the commands reach a server over mutual TLS by what its TOML file says, and by their options alone; whom the
 * server doesn't let in is told why.
 * Method: the real program as server on loopback TCP and as command, certificates of an authority of the test's own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { CertificateAuthority } from "../support/certificates.ts";
import { freePort } from "../support/ports.ts";
import { runProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";

/** Writes the authority and a certificate for the server and for each client. */
async function writeCertificates(folder: string): Promise<void> {
  const authority = await CertificateAuthority.create();
  await Deno.writeTextFile(`${folder}/ca.pem`, authority.certificate);
  const write = async (name: string, names: readonly string[], usage: "server" | "client") => {
    const { certificate, key } = await authority.issue({ names, usage, subject: `CN=${name}` });
    await Deno.writeTextFile(`${folder}/${name}.pem`, certificate);
    await Deno.writeTextFile(`${folder}/${name}.key`, key);
  };
  await write("server", ["localhost", "127.0.0.1"], "server");
  for (const name of ["writer", "reader", "stranger"]) await write(name, [name], "client");
}

Deno.test("commands speak mutual TLS by the file or by their options, and say why a server doesn't let them in", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await writeCertificates(folder);
    const port = freePort();
    const file = (name: string) => `${folder}/${name}`;
    await using proxy = await startProxy({
      listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
      grpc: {
        addr: `127.0.0.1:${port}`,
        tls_cert: file("server.pem"),
        tls_key: file("server.key"),
        client_ca: file("ca.pem"),
        allowed_clients: ["writer"],
        read_only_clients: ["reader"],
        client_cert: file("writer.pem"),
        client_key: file("writer.key"),
        server_ca: file("ca.pem"),
      },
      proxy: { workers: 1 },
    });
    const config = ["-c", proxy.config.path];
    const as = (name: string) => ["--client-cert", file(`${name}.pem`), "--client-key", file(`${name}.key`)];
    const alone = ["--addr", `localhost:${port}`, "--server-ca", file("ca.pem")];
    const rows: readonly [name: string, args: readonly string[], code: number, said: RegExp][] = [
      ["by the file", ["status", ...config], 0, /^healthy\n/],
      ["by options alone", ["status", ...alone, ...as("reader")], 0, /^healthy\n/],
      ["a change", ["routes", "add", "b.test", "127.0.0.1:2", ...config], 0, /^revision 2\n$/],
      ["its author", ["revisions", "list", ...alone, ...as("reader")], 0, /^2 {2}\S+ {2}rpc {2}CN=writer\n/],
      [
        "one who may look only",
        ["routes", "remove", "b.test", ...config, ...as("reader")],
        1,
        /^mc-proxy: CN=reader may look and not change\n$/,
      ],
      [
        "a stranger",
        ["status", ...config, ...as("stranger")],
        3,
        /has ended the connection \(.*\(admin_refused\)\n$/,
      ],
      [
        "nobody",
        ["status", ...config, "--client-cert", ""],
        3,
        /it wants a client certificate, it seems: name one by/,
      ],
      [
        "half a pair",
        ["status", ...alone, "--client-cert", file("writer.pem")],
        2,
        /go together: name both\n$/,
      ],
      [
        "a file that isn't there",
        ["status", ...alone, ...as("none")],
        2,
        /can't read ".*none\.pem": there is no/,
      ],
      [
        "an unknown CA",
        ["status", "--addr", `127.0.0.1:${port}`, ...as("writer")],
        3,
        /its certificate is not signed by a CA known here; name that CA by --server-ca; is the server/,
      ],
      [
        "another host",
        ["status", "--addr", `127.0.0.2:${port}`, ...alone.slice(2), ...as("writer")],
        3,
        /no mc-proxy answers at "127\.0\.0\.2:\d+": nobody listens there/,
      ],
      [
        "in clear",
        ["status", ...config, "--insecure"],
        3,
        /has ended the connection \(.*\); does it want TLS\?\n$/,
      ],
      [
        "no address",
        ["status", "--addr", "nowhere"],
        2,
        /^mc-proxy: "nowhere" is no address; wanted unix:PATH or/,
      ],
    ];
    const check = async ([name, args, code, said]: typeof rows[number]) => {
      const ended = await runProgram(args);
      assert.match(ended.stdout + ended.stderr, said, name);
      assert.equal(ended.code, code, name);
    };
    // The first four stand on one another.
    for (const row of rows.slice(0, 4)) await check(row);
    await Promise.all(rows.slice(4).map(check));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
