import assert from "node:assert/strict";
import { NO_CERTIFICATES } from "../../src/control/certificate_set.ts";
import { GeoipFile } from "../../src/control/geoip_file.ts";
import { Reload } from "../../src/control/reload.ts";
import type { ServedState } from "../../src/control/served_state.ts";
import { Turns } from "../../src/control/turns.ts";
import { loadNative } from "../../src/net/native.ts";
import { COUNTER } from "../../src/observe/counters.ts";
import { Log } from "../../src/observe/log.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration } from "../../src/state/model.ts";
import { CertificateFolder, configurationOf } from "./certificate_folder.ts";

loadNative();

/** A reload whose workers take every state unless `change` says otherwise. */
class Harness {
  served: ServedState;
  readonly lines: Record<string, unknown>[] = [];
  readonly counted: number[] = [];
  readonly reload: Reload;
  /** When the turn comes. */
  inTurn = (work: () => Promise<void>): Promise<void> => work();
  /** What becomes of the next state. */
  change = (next: ServedState): Promise<void> => {
    this.served = next;
    return Promise.resolve();
  };

  constructor(configuration: Configuration) {
    const options = {
      limits: DEFAULT_LIMITS,
      blockUnknownCountry: false,
      limitMode: "enforce" as const,
      tellsRequests: false,
    };
    this.served = { configuration, revision: 1, generation: 0, certificates: NO_CERTIFICATES, options };
    const log = new Log({
      level: "info",
      format: "json",
      write: (line) => this.lines.push(JSON.parse(line)) > 0,
      onDropped: () => {},
    });
    this.reload = new Reload({
      geoip: new GeoipFile(""),
      log,
      count: (counter) => this.counted.push(counter),
      served: () => this.served,
      inTurn: (work) => this.inTurn(work),
      change: (next) => this.change(next),
    });
  }

  async start(): Promise<void> {
    const { certificates } = await this.reload.load(this.served.configuration);
    this.served = { ...this.served, certificates };
  }

  /** The lines since the last call, without time and level. */
  said(): unknown[] {
    return this.lines.splice(0).map(({ time: _, level: __, ...line }) => line);
  }
}

Deno.test("Reload.load() serves what it can and names the routes that it can't", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(
    configurationOf(folder.route(1, "a.test", "a"), folder.route(2, "b.test", "b")),
  );
  await harness.start();
  assert.ok(harness.served.certificates.routes.get(1)?.pems.chain !== undefined);
  assert.equal(harness.served.certificates.routes.get(2)?.pems.chain, undefined);
  const [line, ...more] = harness.said() as Record<string, unknown>[];
  assert.deepEqual(more, []);
  assert.deepEqual({ ...line, detail: "" }, {
    event: "certificate_unusable",
    listener: "127.0.0.1:443",
    route: "b.test",
    detail: "",
  });
  assert.deepEqual(harness.counted, []);
});

Deno.test("Reload.reload() takes a new certificate over in a new generation", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  const before = harness.served;
  await harness.reload.reload();
  assert.equal(harness.served, before);
  await folder.issue("a", "a.test");
  await harness.reload.reload();
  assert.equal(harness.served.generation, 1);
  assert.equal(harness.served.revision, 1);
  assert.notEqual(harness.served.certificates, before.certificates);
  assert.deepEqual(harness.said(), [
    { event: "reloaded", what: "nothing", detail: "no file has changed" },
    { event: "reloaded", what: "certificate", generation: 1 },
  ]);
});

Deno.test("Reload.reload() keeps the old certificate and counts when the new one is broken", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  const before = harness.served;
  await folder.write("a.crt", "broken");
  await harness.reload.reload();
  assert.equal(harness.served, before);
  const [line, ...more] = harness.said() as Record<string, unknown>[];
  assert.deepEqual(more, []);
  assert.deepEqual([line!["event"], line!["what"], line!["route"]], [
    "reload_failed",
    "certificate",
    "a.test",
  ]);
  assert.deepEqual(harness.counted, [COUNTER.certificateReloadFailures]);
});

Deno.test("Reload.reload() says so when the workers don't take the new state, and tries again when asked", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  const before = harness.served;
  await folder.issue("a", "a.test");
  const { change } = harness;
  harness.change = () => Promise.reject(new Error("worker 0: refused"));
  await harness.reload.reload();
  assert.equal(harness.served, before);
  assert.deepEqual(harness.said(), [
    { event: "reload_failed", what: "certificate", detail: "worker 0: refused" },
  ]);
  assert.deepEqual(harness.counted, [COUNTER.certificateReloadFailures]);
  harness.change = change;
  await harness.reload.reload();
  assert.equal(harness.served.generation, 1);
});

Deno.test("Reload.reload() waits for its turn and works on the state of that moment", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  await folder.issue("b", "b.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  await folder.issue("a", "a.test");
  const turn = Promise.withResolvers<void>();
  harness.inTurn = async (work) => {
    await turn.promise;
    await work();
  };
  const reloading = harness.reload.reload();
  const configuration = configurationOf(folder.route(1, "a.test", "a"), folder.route(2, "b.test", "b"));
  harness.served = { ...harness.served, configuration, revision: 2 };
  turn.resolve();
  await reloading;
  assert.equal(harness.served.revision, 2);
  assert.deepEqual([...harness.served.certificates.routes.keys()], [1, 2]);
});

Deno.test("Reload.reload() reads again for one who asks while a reading is at work", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  const turns = new Turns();
  harness.inTurn = (work) => turns.run(work);
  const { change } = harness;
  const [hasRead, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  harness.change = async (next) => {
    hasRead.resolve();
    await mayGoOn.promise;
    await change(next);
  };
  await folder.issue("a", "a.test");
  const first = harness.reload.reload();
  await hasRead.promise;
  await folder.issue("a", "a.test");
  // Two who ask are one reading.
  const others = [harness.reload.reload(), harness.reload.reload()];
  mayGoOn.resolve();
  await Promise.all([first, ...others]);
  assert.equal(harness.served.generation, 2);
});

Deno.test("Reload.withFiles() reads for changed routes alone and refuses what is of no use", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  await folder.issue("b", "b.test");
  const first = folder.route(1, "a.test", "a");
  const harness = new Harness(configurationOf(first));
  await harness.start();
  const { served } = harness;
  await folder.write("a.crt", "broken, and not asked for");
  const route = folder.route(2, "b.test", "b");
  const changes = [{ kind: "route_put", listenerId: 1, route }] as const;
  const next = await harness.reload.withFiles(
    { ...served, configuration: configurationOf(first, route) },
    changes,
  );
  assert.deepEqual([...next.certificates.routes.keys()], [1, 2]);
  assert.equal(next.certificates.routes.get(1), served.certificates.routes.get(1));
  assert.equal(next.certificates.texts.size, 4);
  const same = await harness.reload.withFiles(served, []);
  assert.equal(same.certificates, served.certificates);
  await folder.write("b.key", "broken");
  await assert.rejects(
    harness.reload.withFiles({ ...served, configuration: configurationOf(first, route) }, changes),
    { code: "unavailable", message: /^route "b\.test" on 127\.0\.0\.1:443: .*0 PEM private keys/ },
  );
  const gone = await harness.reload.withFiles({ ...served, configuration: configurationOf() }, []);
  assert.equal(gone.certificates.routes.size + gone.certificates.texts.size, 0);
});

Deno.test("Reload.look() reads again when a file has changed, and a broken one once", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  await harness.reload.look();
  assert.deepEqual(harness.said(), []);
  await folder.issue("a", "a.test");
  await harness.reload.look();
  assert.deepEqual(harness.said(), [{ event: "reloaded", what: "certificate", generation: 1 }]);
  await folder.write("a.crt", "broken");
  await harness.reload.look();
  await harness.reload.look();
  assert.equal(harness.said().length, 1);
  assert.equal(harness.served.generation, 1);
});

Deno.test("Reload.reload() joins one that has not begun", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const harness = new Harness(configurationOf(folder.route(1, "a.test", "a")));
  await harness.start();
  await Promise.all([harness.reload.reload(), harness.reload.reload(), harness.reload.reload()]);
  assert.equal(harness.said().length, 1);
});
