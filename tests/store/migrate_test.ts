import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { APPLICATION_ID, migrate, MIGRATIONS, readStamp } from "../../src/store/migrate.ts";
import { Folder } from "./fixtures.ts";

const ADD_COLUMN = "ALTER TABLE listeners ADD COLUMN note TEXT; UPDATE listeners SET note = host";

Deno.test("migrate() leaves schema and rows as they were when a migration fails", () => {
  using folder = new Folder();
  folder.seed();
  using database = new DatabaseSync(folder.database);
  const before = dump(database);
  for (
    const failing of [
      "DROP TABLE nowhere",
      "DELETE FROM revisions; INSERT INTO revisions VALUES (0)",
      "not SQL",
    ]
  ) {
    assert.throws(() => migrate(database, [...MIGRATIONS, ADD_COLUMN, failing]));
    assert.deepEqual(dump(database), before);
    assert.equal(database.isTransaction, false);
  }
});

Deno.test("migrate() applies what the database hasn't seen, once, and keeps its rows", () => {
  using folder = new Folder();
  folder.seed();
  using database = new DatabaseSync(folder.database);
  for (let run = 0; run < 2; run++) {
    migrate(database, [...MIGRATIONS, ADD_COLUMN]);
    assert.deepEqual(readStamp(database), { applicationId: APPLICATION_ID, version: MIGRATIONS.length + 1 });
    const notes = database.prepare("SELECT note FROM listeners ORDER BY id").all().map((row) => row["note"]);
    assert.deepEqual(notes, ["0.0.0.0", "::1"]);
  }
});

/** Everything a migration may change. */
function dump(database: DatabaseSync): unknown {
  const tables = ["sqlite_schema", "listeners", "routes", "l7_options", "firewall_rules", "revisions"];
  return [readStamp(database), tables.map((table) => database.prepare(`SELECT * FROM ${table}`).all())];
}
