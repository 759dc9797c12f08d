/**
 * Goal: over TLS, those whose certificate says that they may administer do, and nobody else says a word.
 * Method: the real program; `@grpc/grpc-js` in a child process, Python's grpcio and grpcurl where they are installed, each
 * as every kind of client.
 *
 * @module
 */

import assert from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";

import { connectAdmin } from "../../src/admin/client.ts";
import { AddRouteRequestSchema } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { type Ended, runCommand } from "../support/command.ts";
import { hasProgram } from "../support/has_program.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { AdminSite, identities } from "./admin_tls_site.ts";
import { findGrpcioPython } from "./grpcio_python.ts";

const SERVICE = "mc_proxy.v1.ProxyAdminService";
const [PERMISSION_DENIED, UNAVAILABLE] = [7, 14];

function run(program: string, args: readonly string[]): Promise<Ended> {
  return runCommand(program, args, { cwd: PROJECT_FOLDER });
}

interface Shown {
  readonly name: string;
  readonly certificate: string;
  readonly key: string;
  readonly change: string;
}

/** Identities as files, what each would add, and the codes that it should get. */
async function shownTo(site: AdminSite, client: string): Promise<[Shown[], Record<string, number[]>]> {
  const shown: Shown[] = [];
  const wanted: Record<string, number[]> = {};
  const add = (name: string, certificate: string, key: string, codes: number[]): void => {
    const hostname = `${name.replaceAll(/\W/g, "-")}.${client}.test`;
    const request = create(AddRouteRequestSchema, { route: { hostname, backend: "127.0.0.1:1" } });
    shown.push({ name, certificate, key, change: toBinary(AddRouteRequestSchema, request).toHex() });
    wanted[name] = codes;
  };
  const kinds = await identities(site.clients);
  const codes = { changing: [0, 0], looking: [0, PERMISSION_DENIED], refused: [UNAVAILABLE, UNAVAILABLE] };
  for (const kind of ["changing", "looking", "refused"] as const) {
    for (const [name, pair] of Object.entries(kinds[kind])) {
      const { certificate, key } = await site.write(name, pair);
      add(name, certificate, key, codes[kind]);
    }
  }
  add("none", "", "", codes.refused);
  return [shown, wanted];
}

async function codesOfJs(site: AdminSite, shown: readonly Shown[]): Promise<Record<string, number[]>> {
  const script = ["run", "-A", "--no-check", "tests/e2e/admin_identities.ts"];
  const args = [site.addr, `${site.files.folder}/server_ca.crt`, JSON.stringify(shown)];
  const { code, out, err } = await run(Deno.execPath(), [...script, ...args]);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

/** Who has changed something, the last one first. */
async function authors(site: AdminSite): Promise<string[]> {
  const { certificate, key } = await site.write(
    "author",
    await site.clients.issue({ names: ["ops.test"], usage: "client" }),
  );
  const { folder } = site.files;
  await using admin = await connectAdmin({
    addr: site.addr,
    tlsCert: `${folder}/server.crt`,
    serverCa: `${folder}/server_ca.crt`,
    clientCert: certificate,
    clientKey: key,
  });
  const { revisions } = await admin.api.listRevisions({});
  return revisions.map(({ author }) => author);
}

Deno.test("grpc-js reads and changes as what its certificate says, or says nothing", async () => {
  await using site = await AdminSite.start("mutual");
  const [shown, wanted] = await shownTo(site, "js");
  assert.deepEqual(await codesOfJs(site, shown), wanted);
  assert.deepEqual((await authors(site)).slice(0, 6), [
    "CN=ops.test",
    "CN=ops.test",
    "CN=ops,O=x",
    "CN=m",
    "CN=u",
    "CN=x.test",
  ]);
  const { program } = site.proxy;
  for (const why of [/not signed by client_ca/, /has expired/]) {
    await program.event(({ event, detail }) => event === "admin_refused" && why.test(`${detail}`));
  }
});

Deno.test("Python's grpcio reads and changes as what its certificate says, or says nothing", async () => {
  const python = await findGrpcioPython();
  if (python === undefined) return;
  await using site = await AdminSite.start("mutual");
  const [shown, wanted] = await shownTo(site, "py");
  const { code, out, err } = await run(python, [
    "tests/e2e/admin_identities.py",
    site.addr,
    `${site.files.folder}/server_ca.crt`,
    JSON.stringify(shown),
  ]);
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out), wanted);
});

Deno.test({
  name: "grpcurl reads and changes as what its certificate says, or says nothing",
  ignore: !hasProgram("grpcurl"),
  fn: async () => {
    await using site = await AdminSite.start("mutual");
    const { changing, looking, refused } = await identities(site.clients);
    const proto = ["-import-path", "proto", "-proto", "mc_proxy/v1/admin.proto", "-connect-timeout", "3"];
    const call = async (name: string, method: string): Promise<number> => {
      const pair = changing[name] ?? looking[name] ?? refused[name];
      const files = pair && await site.write(name, pair);
      const shown = files === undefined ? [] : ["-cert", files.certificate, "-key", files.key];
      const request = method === "AddRoute"
        ? '{"route":{"hostname":"curl.test","backend":"127.0.0.1:1"}}'
        : "{}";
      const ca = ["-cacert", `${site.files.folder}/server_ca.crt`];
      return (await run("grpcurl", [
        ...ca,
        ...shown,
        ...proto,
        "-d",
        request,
        site.addr,
        `${SERVICE}/${method}`,
      ])).code;
    };
    assert.deepEqual([await call("uri", "ListRoutes"), await call("uri", "AddRoute")], [0, 0]);
    assert.deepEqual([await call("looker", "ListRoutes"), await call("looker", "AddRoute")], [0, 64 + 7]);
    for (const name of ["none", "rogue", "not allowed"]) {
      assert.notEqual(await call(name, "ListRoutes"), 0, name);
    }
  },
});

Deno.test("grpc-js without a certificate reads and changes over TLS that asks for none", async () => {
  await using site = await AdminSite.start("server only");
  const [shown] = await shownTo(site, "js");
  const bare = shown.filter(({ name }) => name === "none");
  assert.deepEqual(await codesOfJs(site, bare), { none: [0, 0] });
});
