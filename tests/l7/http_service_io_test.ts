import assert from "node:assert/strict";
import { HttpService } from "../../src/l7/http_service.ts";
import type { BackendOptions } from "./codec_backend.ts";
import { Coupling } from "./coupling.ts";
import { Setting } from "./setting.ts";

Deno.test("HttpService makes room for a backend connection by ending one that is idle", async () => {
  const backend: BackendOptions = { version: "http/1.1", onEnd: (stream) => stream.respond(200) };
  await using setting = new Setting(backend, { connectionsMax: 1 });
  const { far, near } = setting;
  assert.ok(near.service instanceof HttpService);
  const { peer } = near.client("h2");
  const first = peer.ask({});
  await peer.until("answer", () => first.isOver);
  assert.deepEqual([first.status, near.service.backends], [200, 1]);
  assert.deepEqual([near.service.takeBackend(), near.service.backends], [true, 1]);
  await far.until("end of the idle one", () => far.connections[0]!.isEnded);
  assert.equal(near.service.takeBackend(), false, "nothing is idle");
  near.service.releaseBackend();
  const second = peer.ask({});
  await peer.until("answer", () => second.isOver);
  assert.equal(second.status, 200);
});

Deno.test("HttpService remembers of a great many backends who has announced extended CONNECT last", async () => {
  const near = new Coupling({ port: 1 });
  const { service } = near;
  const count = 20_000;
  for (let backend = 0; backend < count; backend++) service.announceConnect(`${backend}`);
  assert.equal(service.hasAnnouncedConnect(`${count - 1}`), true);
  assert.equal(service.hasAnnouncedConnect("0"), false);
  await near[Symbol.asyncDispose]();
});
