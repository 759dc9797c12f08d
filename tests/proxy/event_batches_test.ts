import assert from "node:assert/strict";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { EventBatches } from "../../src/proxy/event_batches.ts";
import {
  BATCH_EVENTS,
  BATCHES_OUTSTANDING_MAX,
  LINE_BYTES_MAX,
  parseFromWorker,
} from "../../src/proxy/messages.ts";
import { EVENT } from "./events.ts";

/** Batches that have left, and what was dropped. */
class Main {
  readonly batches: (readonly { readonly id?: string }[])[] = [];
  dropped = 0;
  isFull = false;
  readonly events = new EventBatches({
    write: (line) => {
      if (this.isFull) return false;
      assert.ok(new TextEncoder().encode(line).length <= LINE_BYTES_MAX, "a line too long");
      const message = parseFromWorker(line);
      assert.ok(message?.type === "events", line.slice(0, 200));
      this.batches.push(message.events as ConnectionEvent[]);
      return true;
    },
  }, (events) => this.dropped += events);

  add(count: number, more: Partial<ConnectionEvent> = {}): void {
    for (let number = 0; number < count; number++) this.events.add({ ...EVENT, id: `${number}`, ...more });
  }
}

Deno.test("a batch leaves when it is full, and a smaller one with flush()", () => {
  const main = new Main();
  main.add(BATCH_EVENTS - 1);
  // Two hundred and some events of this size are less than a line.
  const first = main.batches.reduce((sum, batch) => sum + batch.length, 0);
  assert.ok(first < BATCH_EVENTS);
  main.add(1, { id: "last" });
  main.events.flush();
  assert.equal(main.batches.flat().length, BATCH_EVENTS);
  assert.equal(main.batches.flat().at(-1)?.id, "last");
  main.events.flush();
  assert.equal(main.batches.flat().length, BATCH_EVENTS, "nothing twice");
});

Deno.test("a batch leaves by itself a moment after its first event", async () => {
  const main = new Main();
  main.add(3);
  assert.equal(main.batches.length, 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(main.batches.flat().length, 3);
});

Deno.test("no line is too long whatever the events hold", () => {
  const main = new Main();
  main.add(40, { sni: "€".repeat(253), alpn: Array.from({ length: 16 }, () => "\u0001".repeat(64)) });
  main.events.flush();
  assert.equal(main.batches.flat().length + main.dropped, 40);
  assert.ok(main.batches.length > 1);
});

Deno.test("batches that main doesn't credit are dropped and counted, and leave again after a credit", () => {
  const main = new Main();
  for (let batch = 0; batch < BATCHES_OUTSTANDING_MAX + 3; batch++) {
    main.add(2);
    main.events.flush();
  }
  assert.deepEqual([main.batches.length, main.dropped], [BATCHES_OUTSTANDING_MAX, 6]);
  main.events.credit(1);
  for (let batch = 0; batch < 2; batch++) {
    main.add(2);
    main.events.flush();
  }
  assert.deepEqual([main.batches.length, main.dropped], [BATCHES_OUTSTANDING_MAX + 1, 8]);
  main.events.credit(1_000);
  for (let batch = 0; batch < BATCHES_OUTSTANDING_MAX + 1; batch++) {
    main.add(1);
    main.events.flush();
  }
  assert.deepEqual([main.batches.length, main.dropped], [BATCHES_OUTSTANDING_MAX * 2 + 1, 9]);
});

Deno.test("a batch that the sink doesn't take is dropped and costs no credit", () => {
  const main = new Main();
  main.isFull = true;
  for (let batch = 0; batch < BATCHES_OUTSTANDING_MAX * 2; batch++) {
    main.add(1);
    main.events.flush();
  }
  assert.equal(main.dropped, BATCHES_OUTSTANDING_MAX * 2);
  main.isFull = false;
  main.add(1);
  main.events.flush();
  assert.equal(main.batches.length, 1);
});
