/**
 * Goal: of many responses at once, to clients some of whom leave in the middle, each client gets its own bytes and no
 * one else's, whatever buffers are used again.
 * Method: the real program; a backend whose every response differs from every other at every offset; curl with twenty
 * requests at a time, over both versions and to both.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fillPattern } from "../support/pattern.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { openSite, type Site } from "./l7_site.ts";

const FILES = 30;
const ROUNDS = 2;
const SIZES = [1, 300, 16_384, 70_001, 400_000];
/** No two patterns that are used agree at one offset for long: the pattern's period is longer. */
const SHIFT = 7_919;

function contentOf(seed: number, bytes: number): Uint8Array<ArrayBuffer> {
  const content = new Uint8Array(bytes);
  fillPattern(content, seed * SHIFT);
  return content;
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** `/SEED/BYTES` as one write or, for every third seed, in parts that come one after the other. */
function answer(request: Request): Response {
  const [, seed, bytes] = new URL(request.url).pathname.split("/").map(Number);
  const content = contentOf(seed!, bytes!);
  if (seed! % 3 !== 0) return new Response(content);
  let sent = 0;
  return new Response(
    new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve));
        const part = content.slice(sent, sent + 1 + sent % 9_000);
        sent += part.length;
        if (part.length > 0) controller.enqueue(part);
        else controller.close();
      },
    }),
  );
}

/** What a client asks for: a seed for each of its files, none used twice. */
interface Job {
  readonly name: string;
  readonly flag: string;
  readonly firstSeed: number;
}

async function curlConfig(
  site: Site,
  { addr }: Proxy,
  { name, firstSeed }: Job,
  folder: string,
): Promise<string> {
  await Deno.mkdir(folder);
  const [host, port] = addr.split(":");
  const lines = ["silent", "parallel", "parallel-max = 20", `cacert = "${site.folder}/ca.pem"`];
  lines.push(`resolve = "${name}:${port}:${host}"`);
  for (let index = 0; index < FILES; index++) {
    lines.push(`url = "https://${name}:${port}/${firstSeed + index}/${SIZES[index % SIZES.length]}"`);
    lines.push(`output = "${folder}/${index}"`);
  }
  await Deno.writeTextFile(`${folder}/config`, lines.join("\n"));
  return `${folder}/config`;
}

/** Asks for all, and compares all. */
async function whole(site: Site, proxy: Proxy, job: Job): Promise<void> {
  const folder = `${site.folder}/${job.firstSeed}`;
  const config = await curlConfig(site, proxy, job, folder);
  const { code } = await new Deno.Command("curl", { args: [job.flag, "--max-time", "60", "-K", config] })
    .output();
  assert.equal(code, 0);
  for (let index = 0; index < FILES; index++) {
    const got = await Deno.readFile(`${folder}/${index}`);
    const bytes = SIZES[index % SIZES.length]!;
    assert.equal(got.length, bytes);
    assert.equal(
      sha256(got),
      sha256(contentOf(job.firstSeed + index, bytes)),
      `${job.flag} ${job.name} ${bytes}`,
    );
  }
}

/** Leaves with a RST when the first of its bytes have come. */
async function leaving(site: Site, proxy: Proxy, job: Job): Promise<void> {
  const folder = `${site.folder}/${job.firstSeed}`;
  const config = await curlConfig(site, proxy, job, folder);
  const text = await Deno.readTextFile(config);
  await Deno.writeTextFile(config, text.replaceAll(/^output = .*$/gm, 'output = "-"'));
  const args = [job.flag, "--no-buffer", "-K", config];
  const child = new Deno.Command("curl", { args, stdout: "piped", stderr: "null" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
}

Deno.test("of many responses at once each client gets its own bytes", async () => {
  await using site = await openSite();
  await using backend = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const addr = `127.0.0.1:${backend.addr.port}`;
  const routes = [
    site.route("h2c.test", addr),
    site.route("h1.test", addr, { backend_protocol: "http/1.1" }),
  ];
  await using proxy = await startProxy({ listeners: [{ routes }], proxy: { workers: 2 } });
  let firstSeed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const clients: Promise<void>[] = [];
    for (const name of ["h2c.test", "h1.test"]) {
      for (const flag of ["--http2", "--http1.1"]) {
        for (const run of [whole, leaving]) {
          clients.push(run(site, proxy, { name, flag, firstSeed: firstSeed += FILES }));
        }
      }
    }
    await Promise.all(clients);
  }
  await stopQuietly(proxy);
});
