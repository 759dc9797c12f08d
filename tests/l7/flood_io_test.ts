import assert from "node:assert/strict";
import { FLOOD_KINDS, floodCounter, isFloodKind, requestCounter } from "../../src/observe/counters.ts";
import { FloodKind } from "../../src/http2/flood.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import type { Client } from "./coupling.ts";
import { Setting } from "./setting.ts";

const PING = Uint8Array.of(0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);

Deno.test("FLOOD_KINDS are those that the codec tells of", () => {
  assert.deepEqual([...FLOOD_KINDS], Object.values(FloodKind));
  assert.deepEqual([isFloodKind("ping"), isFloodKind("else")], [true, false]);
});

/** What a client does, and the kind that it is counted as. */
const FLOODS: readonly (readonly [string, (client: Client) => Promise<void>])[] = [
  ["reset", async (client) => {
    for (let pair = 0; pair < 20_000 && !client.session.isOver; pair++) {
      client.peer.ask({}).cancel(ErrorCode.CANCEL);
      if (pair % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }],
  ["ping", async (client) => {
    for (let count = 0; count < 1_000 && !client.session.isOver; count++) client.sendRaw(PING);
    await client.ended;
  }],
];

Deno.test("a flood ends its connection alone, is counted by its kind and costs the backend little", async (t) => {
  for (const [kind, flood] of FLOODS) {
    await t.step(kind, async () => {
      await using setting = new Setting({ version: "h2", onEnd: (stream) => stream.respond(200) });
      const { far, near } = setting;
      const honest = near.client("h2");
      const before = honest.peer.ask({});
      await honest.peer.until("answer", () => before.isOver);
      const client = near.client("h2");
      await flood(client);
      assert.equal(await client.ended, "flood");
      assert.equal(near.column.counted(floodCounter(kind as "reset" | "ping")), 1);
      const after = honest.peer.ask({});
      await honest.peer.until("answer", () => after.isOver);
      assert.equal(after.status, 200);
      assert.ok(far.streams.length < 2_000, `${far.streams.length} requests at the backend`);
    });
  }
});

Deno.test("every request is counted by its status class", async () => {
  await using setting = new Setting({
    version: "h2",
    onEnd: (stream) => stream.respond(Number(stream.request!.path.slice(1))),
  });
  const { near } = setting;
  const { peer } = near.client("h2");
  const streams = ["/200", "/204", "/302", "/404", "/503"].map((path) => peer.ask({ path }));
  const misdirected = peer.ask({ authority: "other.test" });
  await peer.until("answers", () => [...streams, misdirected].every(({ isOver }) => isOver));
  const classes = [0, 200, 300, 400, 500].map((status) => near.column.counted(requestCounter(0, status)));
  assert.deepEqual(classes, [0, 2, 1, 2, 1]);
});
