import assert from "node:assert/strict";
import { resolvePath } from "../../src/config/file_path.ts";

const ROWS: readonly [folder: string, path: string, expected: string][] = [
  ["/etc/mc-proxy", "a.db", "/etc/mc-proxy/a.db"],
  ["/etc/mc-proxy", "./srv//a.db", "/etc/mc-proxy/srv/a.db"],
  ["/etc/mc-proxy", "../a.db", "/etc/a.db"],
  ["/etc/mc-proxy", "../../../../a.db", "/a.db"],
  ["/etc/mc-proxy", "/var/a.db", "/var/a.db"],
  ["/etc/mc-proxy", "/var/../b/./a.db", "/b/a.db"],
  ["/", "a.db", "/a.db"],
  ["/etc/mc-proxy/", "..", "/etc"],
  ["/etc", "...", "/etc/..."],
];

Deno.test("resolvePath() starts relative paths at the file's folder", async (t) => {
  for (const [folder, path, expected] of ROWS) {
    await t.step(`${folder} ${path}`, () => assert.equal(resolvePath(folder, path), expected));
  }
});
