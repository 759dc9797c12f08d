import assert from "node:assert/strict";

import { OwnCertificates } from "../../src/admin/own_certificates.ts";
import { Log } from "../../src/observe/log.ts";

const DAY_MS = 86_400_000;

/** Two files, and what becomes of them. */
class Host implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "mc-proxy-own-" });
  readonly paths = ["crt", "key"].map((name) => `${this.folder}/${name}`);
  readonly lines: string[] = [];
  nowMs = 1_000 * DAY_MS;
  reads = 0;
  failures = 0;
  fault: string | undefined;
  /** Holds a reading up. */
  gate: Promise<void> = Promise.resolve();
  readonly own = new OwnCertificates({
    paths: this.paths,
    read: async () => {
      this.reads++;
      await this.gate;
      return this.fault === undefined ? Promise.resolve() : Promise.reject(new Error(this.fault));
    },
    onFailed: () => this.failures++,
    validity: () => ({ notBeforeMs: 900 * DAY_MS, notAfterMs: 1_020 * DAY_MS }),
    log: new Log({
      level: "info",
      format: "json",
      write: (line) => {
        this.lines.push(line);
        return true;
      },
      onDropped: () => {},
    }),
    now: () => this.nowMs,
  });

  write(text: string): void {
    for (const path of this.paths) Deno.writeTextFileSync(path, text);
  }

  /** Event, what and detail of the lines since the last time. */
  said(): string[] {
    return this.lines.splice(0).map((line) => {
      const { event, what, detail } = JSON.parse(line);
      return [event, what, detail].filter(Boolean).join(" ");
    });
  }

  [Symbol.dispose](): void {
    this.own[Symbol.dispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("OwnCertificates reads again when a file has changed, and never otherwise", async () => {
  using host = new Host();
  host.write("a");
  await host.own.note();
  await host.own.look();
  assert.deepEqual([host.reads, host.own.outcomes], [0, []]);
  host.write("another");
  await host.own.look();
  assert.deepEqual([host.reads, host.own.outcomes], [1, [{ what: "grpc", timeMs: host.nowMs }]]);
  assert.deepEqual(host.said(), ["reloaded grpc"]);
  await Deno.remove(host.paths[0]!);
  host.fault = "it is gone";
  await host.own.look();
  await host.own.look();
  assert.equal(host.reads, 2);
  assert.equal(host.own.outcomes[0]?.problem, "it is gone");
  assert.deepEqual([host.said(), host.failures], [["reload_failed grpc it is gone"], 1]);
  host.fault = undefined;
  host.write("a");
  await host.own.look();
  assert.equal(host.own.outcomes[0]?.problem, undefined);
});

Deno.test("OwnCertificates looks each minute until its disposal", async () => {
  using host = new Host();
  host.write("a");
  await host.own.note();
  const { setInterval } = globalThis;
  let look: (() => void) | undefined;
  let everyMs = 0;
  Reflect.set(globalThis, "setInterval", (callback: () => void, ms: number) => {
    [look, everyMs] = [callback, ms];
    return 0;
  });
  try {
    host.own.watch();
  } finally {
    Reflect.set(globalThis, "setInterval", setInterval);
  }
  assert.equal(everyMs, 60_000);
  host.write("another");
  look?.();
  while (host.reads === 0) await new Promise((resolve) => setTimeout(resolve));
});

Deno.test("OwnCertificates warns once a day of a certificate that ends soon, and says when it has", async () => {
  using host = new Host();
  host.write("a");
  await host.own.note();
  await host.own.look();
  assert.deepEqual([host.said(), host.own.dateProblem], [[], undefined]);
  host.nowMs = 1_010 * DAY_MS;
  await host.own.look();
  await host.own.look();
  assert.deepEqual(host.said(), ["certificate_expires grpc"]);
  host.nowMs += DAY_MS;
  await host.own.look();
  assert.deepEqual([host.said(), host.own.dateProblem], [["certificate_expires grpc"], undefined]);
  host.nowMs = 1_021 * DAY_MS;
  await host.own.look();
  assert.deepEqual(host.said(), ["certificate_expired grpc"]);
  assert.equal(host.own.dateProblem, "the certificate of [grpc] has expired");
});

Deno.test("OwnCertificates.reload() doesn't read beside an older reading, which could be the last to end", async () => {
  using host = new Host();
  const { promise, resolve } = Promise.withResolvers<void>();
  host.gate = promise;
  const first = host.own.reload();
  while (host.reads === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  host.gate = Promise.resolve();
  const second = host.own.reload();
  let isOver = false;
  void second.then(() => isOver = true);
  // As long as a reading takes that isn't held up.
  await host.own.look();
  assert.deepEqual([host.reads, isOver], [1, false]);
  resolve();
  await Promise.all([first, second]);
  assert.equal(host.reads, 2);
});
