import assert from "node:assert/strict";
import { echoBackend, sinkBackend } from "./backends.ts";
import { clientHello } from "./client_hello.ts";
import { routes } from "./config.ts";
import { isAlive } from "./processes.ts";
import { runProgram } from "./program.ts";
import { startProxy } from "./proxy.ts";
import { exchange } from "./raw_client.ts";

Deno.test("startProxy() serves its routes with the real program and leaves nothing behind", async () => {
  await using one = echoBackend();
  await using two = sinkBackend();
  let pids: number[] = [];
  {
    const tables = { listeners: [{ routes: routes({ "one.test": one.addr, "*.two.test": two.addr }) }, {}] };
    await using proxy = await startProxy({ ...tables, proxy: { workers: 2 } });
    pids = [proxy.program.pid, ...proxy.program.workers()];
    assert.equal(pids.length, 3);
    assert.equal(proxy.addrs.length, 2);
    const hello = clientHello({ serverName: "one.test" });
    assert.deepEqual(await exchange(proxy.addr, hello, true), { bytes: hello, end: "fin" });
    assert.match(
      new TextDecoder().decode(
        (await exchange(proxy.addr, clientHello({ serverName: "a.two.test" }), true)).bytes,
      ),
      /^[0-9a-f]{64} \d+\n$/,
    );
    const event = await proxy.program.connectionEvent({ sni: "one.test" });
    assert.equal(event["bytes_sent"], hello.length);
  }
  assert.deepEqual(pids.filter(isAlive), []);
});

Deno.test("runProgram() gives the exit code and both outputs", async () => {
  const { code, stdout } = await runProgram(["version"]);
  assert.equal(code, 0);
  assert.match(stdout, /\d+\.\d+\.\d+/);
});
