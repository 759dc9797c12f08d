/**
 * Goal: a main process that is out of descriptors says so, goes on, and comes back to everything when there are some: it
 * answers at the admin API, and replaces a worker that died meanwhile.
 * Method: RLIMIT_NOFILE of main lowered while it runs (prlimit(1)), more clients than descriptors, a worker killed.
 *
 * @module
 */

import assert from "node:assert/strict";
import { connectAdmin } from "../../src/admin/client.ts";
import { echoBackend } from "../support/backends.ts";
import { routes } from "../support/config.ts";
import { limitDescriptors, lowestFree } from "../support/descriptor_limit.ts";
import { freePort } from "../support/ports.ts";
import { signalProcess } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

/** @param socketFolder of the admin API's Unix socket; it goes meanwhile, and comes back later than descriptors do */
async function check(
  grpc: { addr: string; insecure?: boolean },
  connect: () => Promise<Deno.Conn>,
  socketFolder?: string,
): Promise<void> {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    grpc,
    proxy: { workers: 1 },
  });
  const { program } = proxy;
  await limitDescriptors(program.pid, lowestFree(program.pid));
  const clients = await Promise.all(Array.from({ length: 5 }, connect));
  try {
    const isRefusal = ({ event }: { readonly event?: unknown }) => event === "admin_refused";
    const { detail } = await program.event(isRefusal, 20_000);
    assert.equal(detail, "accepting failed: out of descriptors");
    program.signal("SIGHUP");
    await program.event(({ event }) => event === "reloaded");
    const [worker] = program.workers();
    signalProcess(worker!, "SIGKILL");
    // More than once: no end of a worker brings the next try, for there is none.
    const isFailure = ({ event }: { readonly event?: unknown }) => event === "worker_failed";
    await program.event(isFailure);
    await program.event(isFailure, 10_000, program.events.findIndex(isFailure) + 1);
  } finally {
    for (const client of clients) client.close();
  }
  if (socketFolder !== undefined) await Deno.remove(socketFolder, { recursive: true });
  await limitDescriptors(program.pid, 4_096);
  if (socketFolder !== undefined) {
    await program.event(({ detail }) => /^listening failed: /.test(`${detail}`), 20_000);
    await Deno.mkdir(socketFolder);
  }
  await program.event(({ event }) => event === "worker_replaced", 20_000);
  await using stream = await EchoStream.open(proxy);
  await stream!.stop();
  const settings = { addr: grpc.addr, tlsCert: "", serverCa: "", clientCert: "", clientKey: "" };
  // Whoever waited while the socket is opened anew is reset.
  await eventually("a healthy answer", async () => {
    try {
      await using admin = await connectAdmin(settings);
      return (await admin.api.getStatus({}, { timeoutMs: 5_000 })).status?.isHealthy === true;
    } catch {
      return false;
    }
  }, 20_000);
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
}

Deno.test("a main process without descriptors goes on, and recovers when there are some", async () => {
  const port = freePort();
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-socket-" });
  const path = `${folder}/admin.sock`;
  await Promise.all([
    check({ addr: `unix:${path}` }, () => Deno.connect({ transport: "unix", path }), folder),
    check({ addr: `127.0.0.1:${port}`, insecure: true }, () => Deno.connect({ port })),
  ]).finally(() => Deno.remove(folder, { recursive: true }));
});
