import assert from "node:assert/strict";
import { addressesOf } from "../../src/net/lookup.ts";
import { canUnshare } from "./namespaces.ts";
import type { Meanwhile } from "./silent_dns_child.ts";

const CHILD = new URL("silent_dns_child.ts", import.meta.url).pathname;
/** A network and a resolver's configuration of its own, and a shell that runs the rest there. */
const OWN_RESOLVER = [
  "-rmn",
  "sh",
  "-c",
  'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"',
];

/** Runs a command where the only name server is 127.0.0.1. */
async function withOwnResolver(command: readonly string[]): Promise<Deno.CommandOutput> {
  const file = await Deno.makeTempFile({ prefix: "mc-proxy-test-" });
  await Deno.writeTextFile(file, "nameserver 127.0.0.1\n");
  const args = [...OWN_RESOLVER, file, ...command];
  return await new Deno.Command("unshare", { args, signal: AbortSignal.timeout(20_000) }).output().finally(
    () => Deno.remove(file),
  );
}

async function meanwhile(names: number, dials: number): Promise<Meanwhile> {
  const child = [Deno.execPath(), "run", "-A", "--unstable-net", CHILD, `${names}`, `${dials}`];
  const { stdout, stderr } = await withOwnResolver(child);
  assert.equal(new TextDecoder().decode(stderr), "\n");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const HAS_NAMESPACES = canUnshare([...OWN_RESOLVER, "/dev/null", "true"]);

Deno.test("addressesOf() tells all who ask at once the same answer, and nothing of a name without one", async () => {
  const [first, second] = [addressesOf("localhost"), addressesOf("localhost")];
  assert.equal(first, second);
  assert.ok((await first).includes("127.0.0.1"));
  assert.notEqual(addressesOf("localhost"), first, "nothing is kept");
  assert.deepEqual(await addressesOf("nobody.invalid"), []);
});

Deno.test({
  name: "a name whose server is silent holds up no other name, however many dial it",
  ignore: !HAS_NAMESPACES,
  fn: async () => {
    const { kind, dialMs } = await meanwhile(3, 500);
    assert.equal(kind, "connected");
    assert.ok(dialMs < 3_000, `${dialMs} ms`);
  },
});

Deno.test({
  name: "names whose servers are silent don't hold up what is written to a pipe, however many there are",
  ignore: !HAS_NAMESPACES,
  fn: async () => {
    const { writeMs } = await meanwhile(200, 200);
    assert.ok(writeMs < 3_000, `${writeMs} ms`);
  },
});
