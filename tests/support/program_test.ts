import assert from "node:assert/strict";
import { childrenOf, gone, isAlive } from "./processes.ts";
import { type LogEvent, Program, ProgramEnded } from "./program.ts";

/** A shell script in the place of the program: what is tested here is how a program is watched. */
function script(text: string, descriptorsMax?: number): Program {
  const command = { path: "/bin/sh", args: ["-c", text] };
  return new Program([], descriptorsMax === undefined ? { command } : { command, descriptorsMax });
}

const named = (name: string) => (event: LogEvent) => event["event"] === name;

Deno.test("Program.event() finds events that came before the call and after it", async () => {
  await using program = script(
    `echo '{"event":"one"}'; echo text; echo '{"event":"ready"}'; sleep 0.05; echo '{"event":"two"}'; sleep 60`,
  );
  await program.ready();
  assert.deepEqual(await program.event(named("one")), { event: "one" });
  assert.deepEqual(await program.event(named("two")), { event: "two" });
  assert.match(program.output.stdout, /^text$/m);
});

Deno.test("Program.ready() and printed() read a text log", async () => {
  await using program = script(
    "echo '2026-01-01T00:00:00Z INFO starting'; echo '2026-01-01T00:00:01Z INFO ready revision=1'; echo a=7; sleep 60",
  );
  await program.ready();
  assert.equal((await program.printed(/^a=(\d)$/m))[1], "7");
  await assert.rejects(program.printed(/b=/, 20), { name: "TimeoutError" });
});

Deno.test("Program.event() skips what came before its index", async () => {
  await using program = script(`echo '{"event":"a","n":1}'; echo '{"event":"a","n":2}'; sleep 60`);
  assert.equal((await program.event(named("a"), 5_000, 1))["n"], 2);
});

Deno.test("Program.event() rejects with the output when the program ends first", async () => {
  await using program = script(`echo '{"event":"one"}'; echo why >&2; exit 2`);
  await assert.rejects(program.ready(), (error) => {
    assert.ok(error instanceof ProgramEnded);
    assert.deepEqual(error.completed, { code: 2, stdout: '{"event":"one"}\n', stderr: "why\n" });
    return true;
  });
});

Deno.test("Program.event() rejects with a TimeoutError while nothing comes", async () => {
  await using program = script("sleep 60");
  await assert.rejects(program.ready(20), { name: "TimeoutError" });
});

Deno.test("Program.signal() reaches the main process alone, signalGroup() its children too", async () => {
  const says = (who: string) => `trap 'echo "{\\"event\\":\\"${who}\\"}"' TERM`;
  await using program = script(
    `${says("main")}; (${says("child")}; echo '{"event":"ready"}'; while :; do sleep 0.01; done) &
     while :; do wait; done`,
  );
  await program.ready();
  program.signal("SIGTERM");
  await program.event(named("main"));
  program.signalGroup("SIGTERM");
  await program.event(named("child"));
  const order = program.events.map((event) => event["event"]).slice(0, 2);
  assert.deepEqual(order, ["ready", "main"]);
});

Deno.test("Program.completed() gives the exit code after a signal", async () => {
  await using program = script(`trap 'exit 7' TERM; echo '{"event":"ready"}'; while :; do sleep 0.01; done`);
  await program.ready();
  program.signal("SIGTERM");
  assert.equal((await program.completed()).code, 7);
});

Deno.test("Program.holdOutput() lets the pipe fill and then gives every line", async () => {
  await using program = script(
    `echo '{"event":"ready"}'; sleep 0.1; i=0; while [ $i -lt 5000 ]; do i=$((i+1)); echo '{"event":"line","pad":"----------------------"}'; done`,
  );
  await program.ready();
  const held = program.holdOutput();
  await assert.rejects(program.completed(500), { name: "TimeoutError" });
  held[Symbol.dispose]();
  await program.completed();
  assert.equal(program.events.filter(named("line")).length, 5_000);
});

Deno.test("Program limits its descriptors when it is told to", async () => {
  await using program = script("ulimit -n", 60);
  assert.equal((await program.completed()).stdout, "60\n");
});

Deno.test("Program's disposal kills workers in sessions of their own", async () => {
  let worker: number;
  {
    await using program = script(
      `setsid sh -c 'echo "{\\"event\\":\\"ready\\"}"; sleep 61; :' worker & wait`,
    );
    await program.ready();
    [worker] = program.workers() as [number];
    // Its own child holds standard output open, too.
    while (childrenOf(worker).length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(isAlive(worker));
    assert.ok(childrenOf(program.pid).includes(worker));
  }
  await gone(worker);
});
