import assert from "node:assert/strict";
import {
  anonymousKib,
  childrenOf,
  commandLine,
  cpuTime,
  descriptorCount,
  descriptors,
  gone,
  isAlive,
  processTree,
  pssKib,
  signalProcess,
} from "./processes.ts";

const PID_NEVER = 4_194_304;

Deno.test("childrenOf() and processTree() find a child and its child", async () => {
  const child = new Deno.Command("/bin/sh", { args: ["-c", "sleep 60; :"] }).spawn();
  const isSleep = (pid: number) => commandLine(pid)[0] === "sleep";
  while (!childrenOf(child.pid).some(isSleep)) await new Promise((resolve) => setTimeout(resolve, 1));
  const [grandchild] = childrenOf(child.pid);
  assert.ok(childrenOf(Deno.pid).includes(child.pid));
  assert.deepEqual(processTree(child.pid), [child.pid, grandchild]);
  assert.deepEqual(commandLine(grandchild!), ["sleep", "60"]);
  signalProcess(grandchild!, "SIGKILL");
  signalProcess(child.pid, "SIGKILL");
  await child.status;
  await gone(grandchild!);
  assert.equal(isAlive(child.pid), false);
});

Deno.test("cpuTime() counts what a child burnt, also after it was reaped", async () => {
  const text = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; :";
  const child = new Deno.Command("/bin/sh", { args: ["-c", `(${text}); echo; sleep 60`], stdout: "piped" })
    .spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const { userSeconds, systemSeconds } = cpuTime(child.pid);
  assert.ok(userSeconds > 0.02 && userSeconds < 20, `${userSeconds} s`);
  assert.ok(systemSeconds < 20);
  child.kill("SIGKILL");
  for (const pid of processTree(child.pid)) signalProcess(pid, "SIGKILL");
  await reader.cancel();
  await child.status;
});

Deno.test("descriptorCount() and descriptors() see one more open file", () => {
  const before = descriptorCount(Deno.pid);
  using _file = Deno.openSync(new URL(import.meta.url));
  assert.equal(descriptorCount(Deno.pid), before + 1);
  assert.ok([...descriptors(Deno.pid).values()].some((path) => path.endsWith("processes_test.ts")));
});

Deno.test("pssKib() and anonymousKib() are between a MiB and what the machine has", () => {
  for (const kib of [pssKib(Deno.pid), anonymousKib(Deno.pid)]) {
    assert.ok(kib > 1_024 && kib < Deno.systemMemoryInfo().total / 1_024, `${kib} KiB`);
  }
});

Deno.test("anonymousKib() counts what a process holds, and nothing of a program that others run as well", async () => {
  const heldBytes = 64 * 1_048_576;
  const before = anonymousKib(Deno.pid);
  const held = new Uint8Array(heldBytes).fill(1);
  const grownKib = anonymousKib(Deno.pid) - before;
  assert.ok(grownKib * 1_024 > held.length * 0.9, `${grownKib} KiB`);
  const child = new Deno.Command("/bin/sleep", { args: ["60"] }).spawn();
  while (commandLine(child.pid)[0] !== "/bin/sleep") await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(anonymousKib(child.pid) < pssKib(child.pid));
  child.kill("SIGKILL");
  await child.status;
});

Deno.test("readings of a process that isn't there are empty", async () => {
  assert.deepEqual(childrenOf(PID_NEVER), []);
  assert.deepEqual(commandLine(PID_NEVER), []);
  assert.equal(descriptorCount(PID_NEVER), 0);
  assert.deepEqual([pssKib(PID_NEVER), anonymousKib(PID_NEVER)], [0, 0]);
  assert.deepEqual(cpuTime(PID_NEVER), { userSeconds: 0, systemSeconds: 0 });
  signalProcess(PID_NEVER, "SIGTERM");
  await gone(PID_NEVER);
});
