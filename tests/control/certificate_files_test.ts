import assert from "node:assert/strict";
import { CertificateFiles } from "../../src/control/certificate_files.ts";
import type { ReadCertificates } from "../../src/control/certificate_reading.ts";
import { NO_CERTIFICATES } from "../../src/control/certificate_set.ts";
import type { Configuration } from "../../src/state/model.ts";
import { eventually } from "../e2e/eventually.ts";
import { CertificateFolder, configurationOf } from "./certificate_folder.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function read(configuration: Configuration, previous = NO_CERTIFICATES): Promise<ReadCertificates> {
  return new CertificateFiles().read(configuration, previous, Date.now());
}

/** The texts that a route's clients and backends meet. */
function textsOf({ set }: ReadCertificates, routeId: number): (string | undefined)[] {
  const { chain, key, authorities } = set.routes.get(routeId)?.pems ?? {};
  return [chain, key, authorities].map((digest) => digest === undefined ? undefined : set.texts.get(digest));
}

Deno.test("CertificateFiles.read() gives each enabled L7 route its certificate, key and authorities", async () => {
  await using folder = await CertificateFolder.create();
  const a = await folder.issue("a", "a.test");
  const b = await folder.issue("b", "*.b.test");
  await folder.write("ca.pem", folder.authority.certificate);
  const tls = { backendTls: true, backendProtocol: "h2", backendCa: folder.path("ca.pem") } as const;
  const l4 = { ...folder.route(4, "d.test", "none"), mode: "l4" } as const;
  const { l7: _, ...l4Route } = l4;
  const reading = await read(configurationOf(
    folder.route(1, "a.test", "a"),
    folder.route(2, "x.b.test", "b", tls),
    { ...folder.route(3, "c.test", "none"), enabled: false },
    l4Route,
    folder.route(5, "*", "a"),
  ));
  assert.deepEqual(reading.faults, []);
  assert.deepEqual([...reading.set.routes.keys()], [1, 2, 5]);
  assert.deepEqual(textsOf(reading, 1), [a.certificate, a.key, undefined]);
  assert.deepEqual(textsOf(reading, 2), [b.certificate, b.key, folder.authority.certificate]);
  assert.deepEqual(textsOf(reading, 5), textsOf(reading, 1));
  assert.equal(reading.set.texts.size, 5);
});

Deno.test("CertificateFiles.read() verifies backends by the system's CAs when none are named", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const tls = { backendTls: true, backendProtocol: "h2" } as const;
  const reading = await read(configurationOf(folder.route(1, "a.test", "a", tls)));
  const [, , authorities] = textsOf(reading, 1);
  const hasBundle = reading.faults.length === 0;
  if (hasBundle) assert.ok((authorities?.match(/BEGIN CERTIFICATE/g)?.length ?? 0) > 10);
  else assert.match(reading.faults[0]!.detail, /set backend_ca/);
});

/** What can be wrong with files, each with its own words in the log. */
const FAULTS: { name: string; spoil: (folder: CertificateFolder) => Promise<void>; detail: RegExp }[] = [
  {
    name: "a certificate that has gone",
    spoil: (folder) => Deno.remove(folder.path("a.crt")),
    detail: /^cannot read ".*a\.crt": No such file/,
  },
  {
    name: "a key that has gone",
    spoil: (folder) => Deno.remove(folder.path("a.key")),
    detail: /^cannot read ".*a\.key": No such file/,
  },
  {
    name: "a folder in place of the certificate",
    spoil: async (folder) => {
      await Deno.remove(folder.path("a.crt"));
      await Deno.mkdir(folder.path("a.crt"));
    },
    detail: /not a regular file/,
  },
  {
    name: "a huge file",
    spoil: (folder) => folder.write("a.crt", "x".repeat(2 << 20)),
    detail: /larger than 1048576 bytes/,
  },
  {
    name: "half a certificate",
    spoil: async (folder) => {
      const text = await Deno.readTextFile(folder.path("a.crt"));
      await folder.write("a.crt", text.slice(0, 200));
    },
    detail: /a\.crt" and ".*a\.key": the chain's file holds no PEM certificate/,
  },
  {
    name: "the key of another certificate",
    spoil: async (folder) => {
      await folder.issue("b", "a.test");
      await Deno.copyFile(folder.path("b.key"), folder.path("a.key"));
    },
    detail: /the private key is not that of the first certificate/,
  },
  {
    name: "the certificate of another name",
    spoil: async (folder) => {
      await folder.issue("a", "b.test");
    },
    detail: /a\.crt" is for "b\.test", not for "a\.test"/,
  },
  {
    name: "a backend's CA that is none",
    spoil: (folder) => folder.write("ca.pem", "nothing"),
    detail: /ca\.pem": the file holds no PEM certificate/,
  },
];

Deno.test("CertificateFiles.read() says what is wrong, keeps what was there, and touches no other route", async (t) => {
  for (const { name, spoil, detail } of FAULTS) {
    await t.step(name, async () => {
      await using folder = await CertificateFolder.create();
      const key = (await folder.issue("a", "a.test")).key;
      await folder.issue("other", "other.test");
      await folder.write("ca.pem", folder.authority.certificate);
      const tls = { backendTls: true, backendProtocol: "h2", backendCa: folder.path("ca.pem") } as const;
      const configuration = configurationOf(
        folder.route(1, "a.test", "a", tls),
        folder.route(2, "other.test", "other"),
      );
      const before = await read(configuration);
      await spoil(folder);
      const after = await read(configuration, before.set);
      assert.equal(after.set, before.set, "what is served has changed");
      assert.equal(after.faults.length, 1);
      const [fault] = after.faults;
      assert.deepEqual({ ...fault, detail: "" }, {
        routeId: 1,
        listener: "127.0.0.1:443",
        route: "a.test",
        detail: "",
      });
      assert.match(fault!.detail, detail);
      assert.ok(!fault!.detail.includes(key.split("\n")[1]!));

      const atStart = await read(configuration);
      assert.deepEqual(atStart.faults, after.faults);
      const [chain, , authorities] = textsOf(atStart, 1);
      assert.ok(chain === undefined || authorities === undefined, "something broken is served");
      assert.deepEqual(textsOf(atStart, 2), textsOf(before, 2));
    });
  }
});

Deno.test("CertificateFiles.read() changes the route whose files changed and shares all the rest", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const b = await folder.issue("b", "b.test");
  const configuration = configurationOf(folder.route(1, "a.test", "a"), folder.route(2, "b.test", "b"));
  const before = await read(configuration);
  assert.equal((await read(configuration, before.set)).set, before.set);
  const renewed = await folder.issue("a", "a.test");
  const after = await read(configuration, before.set);
  assert.deepEqual(textsOf(after, 1).slice(0, 2), [renewed.certificate, renewed.key]);
  assert.deepEqual(textsOf(after, 2).slice(0, 2), [b.certificate, b.key]);
  assert.equal(after.set.routes.get(2), before.set.routes.get(2));
  assert.equal(after.set.texts.size, 4);
});

Deno.test("CertificateFiles.read() serves an expired certificate, but lets none replace a valid one", async () => {
  await using folder = await CertificateFolder.create();
  const dates = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() - HOUR_MS) };
  await folder.issue("a", "a.test", dates);
  const configuration = configurationOf(folder.route(1, "a.test", "a"));
  const expired = await read(configuration);
  assert.deepEqual(expired.faults, []);
  assert.ok(textsOf(expired, 1)[0] !== undefined);
  await folder.issue("a", "a.test");
  const valid = await read(configuration, expired.set);
  assert.notEqual(valid.set, expired.set);
  await folder.issue("a", "a.test", dates);
  const again = await read(configuration, valid.set);
  assert.equal(again.set, valid.set);
  assert.match(again.faults[0]!.detail, /not valid today/);
});

Deno.test("CertificateFiles.hasChanged() sees another file, other rights, one that goes, and one that comes", async () => {
  await using folder = await CertificateFolder.create();
  await folder.issue("a", "a.test");
  const configuration = configurationOf(folder.route(1, "a.test", "a"));
  const files = new CertificateFiles();
  const readAgain = () => files.read(configuration, NO_CERTIFICATES, Date.now());
  assert.ok(await files.hasChanged(configuration), "never read");
  await readAgain();
  assert.ok(!await files.hasChanged(configuration));
  const text = await Deno.readTextFile(folder.path("a.crt"));
  await folder.write("a.crt", text);
  assert.ok(await files.hasChanged(configuration), "another file with the same content");
  assert.ok(await files.hasChanged(configuration), "still not read");
  await readAgain();
  // The kernel's clock for files may still show the time of the writing.
  await eventually("other rights", async () => {
    await Deno.chmod(folder.path("a.key"), 0o640);
    return await files.hasChanged(configuration);
  });
  await readAgain();
  await Deno.remove(folder.path("a.key"));
  assert.ok(await files.hasChanged(configuration), "gone");
  await readAgain();
  assert.ok(!await files.hasChanged(configuration), "known to be gone");
  await folder.issue("a", "a.test");
  assert.ok(await files.hasChanged(configuration), "back");
  await folder.issue("b", "b.test");
  await readAgain();
  assert.ok(
    await files.hasChanged(configurationOf(folder.route(2, "b.test", "b"))),
    "a route with other files",
  );
});
