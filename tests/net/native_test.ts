import assert from "node:assert/strict";
import {
  closeDescriptor,
  createMemoryFile,
  duplicateDescriptor,
  fileLimit,
  loadNative,
  mapMemoryFile,
  monotonicMs,
  openLibrary,
  resetSocket,
  setCloseOnExec,
} from "../../src/net/native.ts";
import { descriptors } from "../support/processes.ts";

loadNative();

/** What a process prints that runs `code`, a module which imports `native`. */
async function printed(flags: readonly string[], code: string): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  const native = new URL("../../src/net/native.ts", import.meta.url);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  await Deno.writeTextFile(path, `import * as native from "${native}";\n${code}`);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--no-check", `--config=${config}`, ...flags, path],
  }).output();
  await Deno.remove(path);
  return (new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)).trim();
}

Deno.test("a memory file is shared by all its mappings, zeroed, and inherited by a child", async () => {
  const sizeBytes = 65_536;
  const fd = createMemoryFile("mc-proxy-test", sizeBytes);
  assert.equal(descriptors(Deno.pid).get(fd), "/memfd:mc-proxy-test (deleted)");
  const [first, second] = [mapMemoryFile(fd, sizeBytes), mapMemoryFile(fd, sizeBytes)];
  assert.ok(new Uint8Array(first).every((byte) => byte === 0));
  new Int32Array(first)[1_000] = 42;
  assert.equal(new Int32Array(second)[1_000], 42);
  const code = `native.loadNative();
    Atomics.add(new Int32Array(native.mapMemoryFile(${fd}, ${sizeBytes})), 1_000, 8);`;
  assert.equal(await printed(["-A"], code), "");
  assert.equal(Atomics.load(new Int32Array(first), 1_000), 50);
  assert.ok(setCloseOnExec(fd));
  assert.match(await printed(["-A"], code), /cannot map/);
  closeDescriptor(fd);
  assert.equal(descriptors(Deno.pid).has(fd), false);
  assert.equal(setCloseOnExec(fd), false);
});

Deno.test("duplicateDescriptor() and closeDescriptor() keep an open file", () => {
  const fd = createMemoryFile("mc-proxy-test", 4_096);
  const copy = duplicateDescriptor(fd)!;
  assert.equal(descriptors(Deno.pid).get(copy), descriptors(Deno.pid).get(fd));
  closeDescriptor(fd);
  assert.ok(descriptors(Deno.pid).has(copy));
  closeDescriptor(copy);
  assert.equal(duplicateDescriptor(copy), undefined);
  assert.equal(resetSocket(copy), false);
});

Deno.test("monotonicMs() is the same clock in every process and goes on", async () => {
  const before = monotonicMs();
  const other = Number(await printed(["-A"], "native.loadNative(); console.log(native.monotonicMs());"));
  const after = monotonicMs();
  assert.ok(before < other && other < after, `${before} ${other} ${after}`);
});

Deno.test("fileLimit() is the soft limit of this process", async () => {
  const limit = /^Max open files\s+(\d+|unlimited)/m.exec(await Deno.readTextFile("/proc/self/limits"))![1]!;
  assert.equal(fileLimit(), limit === "unlimited" ? 1_048_576 : Math.min(Number(limit), 1_048_576));
});

Deno.test("armAlarm() ends a process that doesn't arm it again", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", new URL("./alarm_child.ts", import.meta.url).pathname],
  }).spawn();
  assert.equal((await child.status).signal, "SIGALRM");
});

Deno.test("what was opened works after the permission is revoked, and nothing more is opened", async () => {
  const code = `
    native.loadNative();
    const before = native.fileLimit();
    await Deno.permissions.revoke({ name: "ffi" });
    const again = (() => { try { native.openLibrary("libc.so.6"); } catch (error) { return error.name; } })();
    console.log(JSON.stringify([native.fileLimit() === before, native.loadNative(), again]));`;
  assert.deepEqual(JSON.parse(await printed(["--allow-ffi"], code)), [true, true, "NotCapable"]);
  assert.throws(() => openLibrary("libnothing.so.0"));
});
