import assert from "node:assert/strict";
import { GeoipFile } from "../../src/control/geoip_file.ts";
import { ProxyError } from "../../src/errors.ts";
import { CountryDatabase, GEOIP_SLOT_BYTES } from "../../src/net/geoip.ts";
import { closeDescriptor, loadNative, mapMemoryFile } from "../../src/net/native.ts";
import type { GeoipSlot } from "../../src/proxy/messages.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { countryDatabase } from "../net/country_database_builder.ts";

loadNative();

/** A file whose memory is closed again: children of later tests would inherit it. */
function openFile(path: string): GeoipFile & Disposable {
  const file = new GeoipFile(path);
  return Object.assign(file, { [Symbol.dispose]: () => closeDescriptor(file.memoryFile.fd) });
}

const ADDRESS = parseIpAddress("127.0.0.1")!;
const isUnavailable = (error: unknown) => error instanceof ProxyError && error.code === "unavailable";

Deno.test("load() fills the slot that isn't in use, and a broken file fills none", async () => {
  const path = await Deno.makeTempFile({ suffix: ".mmdb" });
  using file = openFile(path);
  const memory = mapMemoryFile(file.memoryFile.fd, file.memoryFile.sizeBytes);
  const countryIn = ({ offset, sizeBytes }: GeoipSlot) =>
    new CountryDatabase(new Uint8Array(memory, offset, sizeBytes), () => {}).country(ADDRESS);
  const put = (code: string) => Deno.writeFile(path, countryDatabase({ "127.0.0.0/8": code }));
  await put("DE");
  const first = (await file.load())!;
  await put("FR");
  const second = (await file.load(first))!;
  assert.notEqual(first.offset, second.offset);
  assert.deepEqual([countryIn(first), countryIn(second)], ["DE", "FR"]);
  await Deno.writeTextFile(path, "no database");
  for (let attempt = 0; attempt < 3; attempt++) {
    await assert.rejects(file.load(second), isUnavailable);
  }
  assert.deepEqual([countryIn(first), countryIn(second)], ["DE", "FR"]);
  await put("US");
  const opened = file.databaseAt(second);
  const third = (await file.load(second))!;
  assert.equal(third.offset, first.offset);
  assert.equal(file.databaseAt(second), opened, "it is opened once");
  assert.deepEqual([opened?.country(ADDRESS), file.databaseAt(third)?.country(ADDRESS)], ["FR", "US"]);
  assert.deepEqual([countryIn(second), countryIn(third)], ["FR", "US"]);
  await Deno.truncate(path, GEOIP_SLOT_BYTES + 1);
  await assert.rejects(file.load(third), isUnavailable);
  await Deno.remove(path);
  await assert.rejects(file.load(third), (error) => isUnavailable(error) && String(error).includes(path));
});

Deno.test("hasChanged() says whether the file is another one than the one that was read", async () => {
  const path = await Deno.makeTempFile({ suffix: ".mmdb" });
  await Deno.writeFile(path, countryDatabase({ "127.0.0.0/8": "DE" }));
  using file = openFile(path);
  assert.ok(await file.hasChanged());
  await file.load();
  assert.equal(await file.hasChanged(), false);
  await Deno.utime(path, new Date(), new Date(Date.now() - 10_000));
  assert.ok(await file.hasChanged());
  await file.load();
  await Deno.writeFile(path, new Uint8Array(1), { append: true });
  assert.ok(await file.hasChanged());
  await Deno.remove(path);
  assert.equal(await file.hasChanged(), false);
});

Deno.test("GeoipFile does nothing when none is configured", async () => {
  using file = openFile("");
  const found = [file.isConfigured, await file.load(), file.databaseAt(undefined), await file.hasChanged()];
  assert.deepEqual(found, [false, undefined, undefined, false]);
});
