/**
 * Databases that can't be served. Each row breaks one, expects its error code and sentence, and that not a byte of
 * what was there has changed and nothing was added.
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type ErrorCode, ProxyError } from "../../src/errors.ts";
import { Store } from "../../src/store/store.ts";
import { endChild, Folder, isFull, linesOf, refuses, rules, startChild } from "./fixtures.ts";

const NOBODY = 65_534;
/** Starts root's program without what lets root pass every file mode; setpriv is of util-linux. */
const WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner,-chown"];

interface Row {
  readonly name: string;
  readonly breaks: (folder: Folder) => void;
  readonly code: ErrorCode;
  readonly message: RegExp;
}

const ROWS: readonly Row[] = [
  {
    name: "is a newer schema's",
    breaks: (folder) => folder.edit("PRAGMA user_version = 99"),
    code: "database",
    message: /has schema 99, and this program knows schemas 1 to \d+; use the mc-proxy that wrote it/,
  },
  {
    name: "is another program's",
    breaks: (folder) => folder.edit("PRAGMA application_id = 7"),
    code: "database",
    message: /is not a database of mc-proxy/,
  },
  {
    name: "is an empty file",
    breaks: (folder) => Deno.truncateSync(folder.database, 0),
    code: "database",
    message: /is not a database of mc-proxy/,
  },
  {
    name: "is garbage",
    breaks: (folder) => Deno.writeTextFileSync(folder.database, "[database]\n".repeat(5_000)),
    code: "database",
    message: /is not a database; check the path/,
  },
  {
    name: "is cut after a page",
    breaks: (folder) => Deno.truncateSync(folder.database, Deno.statSync(folder.database).size - 4_096),
    code: "database",
    message: /is corrupt/,
  },
  ...[1, 2, 3, 5, 8].map((page): Row => ({
    name: `has flipped bytes in page ${page + 1}`,
    breaks: (folder) => flip(folder.database, page * 4_096, 12),
    code: "database",
    message: /is corrupt/,
  })),
  {
    name: "has lost a table",
    breaks: (folder) => folder.edit("DROP TABLE firewall_rules"),
    code: "database",
    message: /no such table: firewall_rules/,
  },
  {
    name: "has lost its revisions",
    breaks: (folder) => folder.edit("DELETE FROM revisions"),
    code: "database",
    message: /"revisions" has no usable "number"/,
  },
  {
    name: "is a folder",
    breaks: (folder) => {
      Deno.removeSync(folder.database);
      Deno.mkdirSync(folder.database);
    },
    code: "database",
    message: /is a folder; name a file/,
  },
  {
    name: "is a link to nothing",
    breaks: (folder) => {
      Deno.removeSync(folder.database);
      Deno.symlinkSync("/nonexistent/mc-proxy.db", folder.database);
    },
    code: "database",
    message: /can't be opened/,
  },
  {
    name: "was removed without its -wal",
    breaks: (folder) => {
      Deno.removeSync(folder.database);
      Deno.writeTextFileSync(`${folder.database}-wal`, "x");
    },
    code: "database",
    message: /is missing, but ".*-wal" is there/,
  },
];

Deno.test("Store.open() refuses a database, and leaves it as it was, when it", async (t) => {
  for (const { name, breaks, code, message } of ROWS) {
    await t.step(name, () => {
      using folder = new Folder();
      folder.seed({ listeners: [], firewallRules: rules(1, 500) });
      breaks(folder);
      const before = contents(folder);
      refuses(code, message, () => {
        using store = Store.open(folder.database);
        // What the file as a whole doesn't show, the first reading does.
        if (!store.isNew) store.readConfiguration();
        store.revision;
      });
      for (const [file, bytes] of before) assert.deepEqual(Deno.readFileSync(file), bytes, file);
    });
  }
});

Deno.test("Store refuses a database that was cut short anywhere, or still reads what it held", () => {
  using folder = new Folder();
  const configuration = { listeners: [], firewallRules: rules(1, 500) };
  folder.seed(configuration);
  const whole = Deno.readFileSync(folder.database);
  let refused = 0;
  for (let size = 0; size < whole.length; size += 1_500) {
    Deno.writeFileSync(folder.database, whole.subarray(0, size));
    try {
      using store = Store.open(folder.database);
      assert.deepEqual(store.readConfiguration(), configuration);
    } catch (error) {
      assert.ok(error instanceof ProxyError && error.code === "database", `${error} at ${size}`);
      refused++;
    }
  }
  // What the end of the last page doesn't use may be missing.
  assert.ok(refused >= Math.floor((whole.length - 4_096) / 1_500), `${refused} refused`);
});

Deno.test("Store.open() refuses a path whose folder doesn't exist", () => {
  using folder = new Folder();
  refuses("database", /is in a folder that doesn't exist; create the folder/, () => {
    Store.open(`${folder.path}/missing/mc-proxy.db`);
  });
  assert.deepEqual(folder.names(), []);
});

Deno.test("Store.open() refuses a database that another program has locked", () => {
  // The first takes SQLite 5 s to give up on.
  const modes = ["PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE", "BEGIN IMMEDIATE"];
  for (const mode of isFull() ? modes : modes.slice(1)) {
    using folder = new Folder();
    folder.seed();
    using other = new DatabaseSync(folder.database);
    other.exec(mode);
    refuses("busy", /is locked by another program; end that program and try again/, () => {
      Store.open(folder.database);
    });
    other.exec("COMMIT");
    other.close();
    using store = Store.open(folder.database);
    assert.equal(store.revision, 1);
  }
});

Deno.test({
  name: "Store.open() refuses a read-only file and a read-only folder",
  // Nothing is read-only for root: a child without root's rights tries. It stays root for the sake of a program
  // and a checkout under /root, which no other user can read.
  ignore: Deno.uid() !== 0,
  fn: async (t) => {
    const rows: readonly [string, number, number, RegExp][] = [
      ["file", 0o444, 0o777, /^database database ".*" is read-only; make the file and its folder writable/],
      ["folder", 0o666, 0o555, /^database database ".*" can't be locked because ".*" can't be written/],
      [
        "unreadable file",
        0o000,
        0o777,
        /^database database ".*" can't be opened; make the file and its folder/,
      ],
    ];
    for (const [name, fileMode, folderMode, message] of rows) {
      await t.step(name, async () => {
        using folder = new Folder();
        folder.seed();
        await Deno.chmod(folder.database, fileMode);
        await Deno.chmod(folder.path, folderMode);
        for (const path of [folder.database, folder.path]) await Deno.chown(path, NOBODY, NOBODY);
        const before = contents(folder);
        const child = startChild(["hold", folder.database], WITHOUT_RIGHTS);
        const lines = linesOf(child);
        const line = (await lines.next()).value ?? "";
        await endChild(child, lines);
        assert.match(line, message);
        assert.deepEqual(await Deno.readFile(folder.database), before.get(folder.database));
        await Deno.chmod(folder.path, 0o700);
      });
    }
  },
});

function flip(path: string, offset: number, length: number): void {
  const bytes = Deno.readFileSync(path);
  for (let index = offset; index < offset + length; index++) bytes[index] = ~(bytes[index] ?? 0);
  Deno.writeFileSync(path, bytes);
}

/** File → bytes; SQLite's own `-wal` and `-shm`, which even a reader makes, only when they were there before. */
function contents(folder: Folder): Map<string, Uint8Array> {
  const files = folder.names().map((name) => `${folder.path}/${name}`).filter((file) =>
    Deno.lstatSync(file).isFile
  );
  return new Map(files.map((file) => [file, Deno.readFileSync(file)]));
}
