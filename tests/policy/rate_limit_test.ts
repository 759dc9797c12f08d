import assert from "node:assert/strict";
import fc from "fast-check";
import { effectiveBurst, isBucketFull, nextBucket } from "../../src/policy/rate_limit.ts";

/** The textbook's bucket: a count of tokens and the time it was right, in thousandths of a token, never rounded. */
class ReferenceBucket {
  #milliTokens: number;
  #atMs = 0;
  readonly #rate: number;
  readonly #burst: number;

  constructor(rate: number, burst: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#milliTokens = burst * 1_000;
  }

  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#milliTokens < 1_000) return false;
    this.#milliTokens -= 1_000;
    return true;
  }

  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#milliTokens === this.#burst * 1_000;
  }

  #refill(nowMs: number): void {
    this.#milliTokens = Math.min(this.#burst * 1_000, this.#milliTokens + (nowMs - this.#atMs) * this.#rate);
    this.#atMs = nowMs;
  }
}

const rate = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 16_000_000 }));
const burst = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 1_000_000 }));
const pauses = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 50 }), fc.nat(100_000)), {
  maxLength: 100,
});

Deno.test("nextBucket() grants exactly what a textbook bucket grants, at any uptime", () => {
  fc.assert(fc.property(rate, burst, pauses, fc.nat(2 ** 31), (ratePerSecond, size, pausesMs, startMs) => {
    const reference = new ReferenceBucket(ratePerSecond, size);
    let word = 0n;
    let nowMs = startMs;
    for (const pauseMs of pausesMs) {
      nowMs += pauseMs;
      assert.equal(isBucketFull(word, nowMs, ratePerSecond), reference.isFull(nowMs));
      const step = nextBucket(word, nowMs, ratePerSecond, size);
      assert.equal(step.granted, reference.take(nowMs));
      if (!step.granted) assert.equal(step.word, word, "a refusal changes nothing");
      word = step.word;
    }
  }));
});

Deno.test("nextBucket() grants a full burst at once and then one token per interval", () => {
  let word = 0n;
  const granted: number[] = [];
  for (let nowMs = 1_000_000; nowMs < 1_002_000; nowMs++) {
    for (let attempt = 0; attempt < 3; attempt++) {
      const step = nextBucket(word, nowMs, 50, 100);
      word = step.word;
      if (step.granted) granted.push(nowMs);
    }
  }
  // 100 at once, as fast as three a millisecond allow, then one each 20 ms: 100 + 1999 / 20.
  assert.equal(granted.length, 199);
});

Deno.test("nextBucket() with a clock that is behind another process's never grants more", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 200 }), (jitters) => {
    let word = 0n;
    let grants = 0;
    for (const [index, jitterMs] of jitters.entries()) {
      const step = nextBucket(word, 1_000 + index + jitterMs, 100, 3);
      word = step.word;
      if (step.granted) grants++;
    }
    // The clocks' largest reading bounds the refill.
    assert(grants <= 3 + Math.ceil((jitters.length + 10) / 10));
  }));
});

Deno.test("nextBucket() fits a signed 64-bit word after 17 years at the largest rate", () => {
  const nowMs = 17 * 365 * 86_400_000;
  const { word } = nextBucket(0n, nowMs, 16_000_000, 32_000_000);
  assert.equal(BigInt.asIntN(64, word), word);
  assert.equal(nextBucket(word, nowMs, 16_000_000, 1).granted, false);
});

Deno.test("effectiveBurst() is twice the rate unless it is set", () => {
  assert.equal(effectiveBurst(50, 0), 100);
  assert.equal(effectiveBurst(50, 7), 7);
});
