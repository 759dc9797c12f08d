import assert from "node:assert/strict";
import { takeSnapshot } from "../../src/store/snapshot.ts";
import { pruneSnapshots } from "../../src/store/snapshot_pruning.ts";
import { Folder } from "./fixtures.ts";

const NAMES = [
  "mc-proxy-20261118T000000Z.db",
  "mc-proxy-20261119T000000Z.db",
  "mc-proxy-20261120T235959Z.db",
  "mc-proxy-20261121T000000Z.db",
];
/** Nothing of these is a snapshot of `mc-proxy.db` that was named by the program. */
const FOREIGN = [
  ".mc-proxy-20260101T000000Z.db.x.partial",
  "before-the-upgrade.db",
  "mc-proxy-20260101T000000Z.db-wal",
  "mc-proxy-20260101T000000Z.db.gz",
  "mc-proxy-2026.db",
  "mc-proxy-other-20260101T000000Z.db",
];

Deno.test("pruneSnapshots() leaves the newest, the one just made among them, and nothing foreign goes", async (t) => {
  const rows: readonly [keep: number, now: Date, gone: readonly string[]][] = [
    [1, new Date(Date.UTC(2026, 10, 22)), NAMES],
    [3, new Date(Date.UTC(2026, 10, 22)), NAMES.slice(0, 2)],
    [5, new Date(Date.UTC(2026, 10, 22)), []],
    [14, new Date(Date.UTC(2026, 10, 22)), []],
    // A clock that was set back makes the new one the oldest by name.
    [1, new Date(Date.UTC(2020, 0, 1)), NAMES],
    [2, new Date(Date.UTC(2020, 0, 1)), NAMES.slice(0, 3)],
  ];
  for (const [keep, now, gone] of rows) {
    await t.step(`keep ${keep} in ${now.getUTCFullYear()}`, async () => {
      using folder = new Folder();
      folder.seed();
      const backups = `${folder.path}/backups`;
      await Deno.mkdir(backups);
      for (const name of [...NAMES, ...FOREIGN]) await Deno.writeTextFile(`${backups}/${name}`, name);
      const { path } = await takeSnapshot(folder.database, undefined, now);
      const removed = await pruneSnapshots(folder.database, path, keep);
      assert.deepEqual(removed, gone.map((name) => `${backups}/${name}`));
      const left = [...NAMES.filter((name) => !gone.includes(name)), ...FOREIGN, path.split("/").at(-1)!];
      assert.deepEqual(folder.names("backups"), left.toSorted());
    });
  }
});

Deno.test("pruneSnapshots() says that the new one stands when an old one can't be removed", async () => {
  using folder = new Folder();
  folder.seed();
  const { path } = await takeSnapshot(folder.database, undefined, new Date(Date.UTC(2026, 10, 22)));
  const old = `${folder.path}/backups/${NAMES[0]}`;
  await Deno.writeTextFile(old, "");
  const { remove } = Deno;
  Deno.remove = () => Promise.reject(new Deno.errors.PermissionDenied("read-only"));
  try {
    await assert.rejects(
      pruneSnapshots(folder.database, path, 1),
      { code: "database", message: /is made and verified, but the old ".*20261118T000000Z\.db" can't be/ },
    );
  } finally {
    Deno.remove = remove;
  }
  assert.ok((await Deno.stat(path)).isFile && (await Deno.stat(old)).isFile);
});
