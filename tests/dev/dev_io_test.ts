import assert from "node:assert/strict";
import { hasProgram } from "../support/has_program.ts";
import { freePortsInARow } from "../support/ports.ts";
import { isAlive, processTree } from "../support/processes.ts";
import { print } from "../support/print.ts";
import { Program, runProgram } from "../support/program.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";

const PROGRAM = { path: Deno.execPath(), args: ["run", "-A", new URL("main.ts", import.meta.url).pathname] };

/** Runs the demo, asks each route, ends it as a terminal does through `deno task`, and gives its CA. */
async function runDemo(port: number, folder: string): Promise<string> {
  await using demo = new Program(["--port", `${port}`, "--folder", folder], { command: PROGRAM });
  await demo.printed(/Ctrl-C ends the demo/, 20_000);
  const ca = await Deno.readTextFile(`${folder}/ca.pem`);
  const answers = {
    "demo.localhost": `Hello from demo backend one: GET demo.localhost:${port}/x`,
    "any.demo.localhost": `Hello from demo backend two: GET any.demo.localhost:${port}/x`,
    "localhost": `Hello from demo backend two: GET localhost:${port}/x`,
    "web.localhost": "Hello from the web backend: GET /x\n  x-forwarded-for: 127.0.0.1",
  };
  for (const [name, answer] of Object.entries(answers)) {
    assert.ok((await get(name, port, ca)).includes(`\n${answer}`), name);
  }
  const ask = "explain 127.0.0.1 any.demo.localhost -c";
  assert.ok(demo.output.stdout.includes(`  deno task mc-proxy ${ask} ${folder}/mc-proxy.toml\n`));
  const { stdout } = await runProgram([...ask.split(" "), `${folder}/mc-proxy.toml`]);
  assert.match(
    stdout,
    new RegExp(
      `^goes to 127\\.0\\.0\\.1:${port + 2}\nroute 4 \\*\\.demo\\.localhost .*: decided \\(the wildcard`,
    ),
  );
  const shown = commandsOf(demo.output.stdout);
  assert.equal(shown.length, 5);
  for (const command of shown) await runCommand(command);
  const documented = commandsOf(await Deno.readTextFile(`${PROJECT_FOLDER}README.md`));
  assert.equal(documented.length, 3);
  for (const line of documented) {
    const command = line.replaceAll("8443", `${port}`).replaceAll("srv/", `${folder}/`);
    assert.ok(shown.includes(command), `README.md: ${command}\nnot in ${shown.join("\n")}`);
  }
  const pids = processTree(demo.pid);
  assert.equal(pids.length, 4, "the demo, the proxy, two workers");
  demo.signalGroup("SIGINT");
  demo.signalGroup("SIGINT");
  assert.equal((await demo.completed()).code, 0, demo.output.stderr);
  assert.deepEqual(pids.filter(isAlive), []);
  return ca;
}

/** The lines of a text, or of a document, that are there to be tried. */
function commandsOf(text: string): string[] {
  return [...text.matchAll(/^ *((?:curl|grpcurl) .*127\.0\.0\.1.*)$/gm)].map(([, command]) => command!);
}

/** Runs a line as it stands; nothing when its program isn't installed. */
async function runCommand(command: string): Promise<void> {
  if (!hasProgram(command.split(" ")[0]!)) return print(`skipped, not installed: ${command}`);
  const { success, stdout, stderr } = await new Deno.Command("/bin/sh", { args: ["-c", command] }).output();
  const text = new TextDecoder();
  assert.ok(success, `${command}\n${text.decode(stderr)}`);
  assert.match(text.decode(stdout), /^Hello from |"status": "SERVING"/, command);
}

/** What a client that resolves `name` to 127.0.0.1 gets, head and body; names under localhost don't resolve everywhere. */
async function get(name: string, port: number, ca: string): Promise<string> {
  const tcp = await Deno.connect({ hostname: "127.0.0.1", port });
  using tls = await Deno.startTls(tcp, { hostname: name, caCerts: [ca], alpnProtocols: ["http/1.1"] });
  await tls.write(
    new TextEncoder().encode(`GET /x HTTP/1.1\r\nHost: ${name}:${port}\r\nConnection: close\r\n\r\n`),
  );
  const buffer = new Uint8Array(4_096);
  let got = 0;
  for (let count; (count = await tls.read(buffer.subarray(got))) !== null;) got += count;
  return new TextDecoder().decode(buffer.subarray(0, got));
}

Deno.test("deno task dev serves every route it shows, ends with 0, and reuses its folder", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-dev-" });
  try {
    const port = freePortsInARow(5);
    const first = await runDemo(port, folder);
    assert.equal(await runDemo(port, folder), first);
    await Deno.writeTextFile(`${folder}/ca.pem`, "unreadable");
    assert.notEqual(await runDemo(port, folder), first);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task dev names the port that is taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await using demo = new Program(["--port", `${port}`], { command: PROGRAM });
  const { code, stderr } = await demo.completed();
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use`));
});
