/**
 * The GeoIP file as the main process holds it: read, checked, and laid into the memory that workers share.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { CountryDatabase, GEOIP_SLOT_BYTES, GEOIP_SLOTS } from "../net/geoip.ts";
import { createMemoryFile, mapMemoryFile } from "../net/native.ts";
import type { GeoipSlot, MemoryFile } from "../proxy/messages.ts";
import { GONE, stampOf } from "./file_stamp.ts";

/** One GeoIP file and its shared memory. */
export class GeoipFile {
  /** What workers map. */
  readonly memoryFile: MemoryFile;
  readonly #path: string;
  readonly #memory: ArrayBuffer;
  /** Of the file that was read last. */
  #stamp = "";
  #open: { readonly slot: GeoipSlot; readonly database: CountryDatabase } | undefined;

  /**
   * Makes the shared memory and reads nothing yet.
   *
   * @param path the database's file; empty = none is configured
   * @throws ProxyError unavailable when the kernel gives no memory file
   */
  constructor(path: string) {
    this.#path = path;
    const sizeBytes = GEOIP_SLOT_BYTES * GEOIP_SLOTS;
    this.memoryFile = { fd: createMemoryFile("mc-proxy-geoip", sizeBytes), sizeBytes };
    this.#memory = mapMemoryFile(this.memoryFile.fd, sizeBytes);
  }

  /** Whether there is a file to read. */
  get isConfigured(): boolean {
    return this.#path !== "";
  }

  /**
   * Reads and checks the file and lays it into the slot that no worker uses.
   *
   * @param used what workers use now; absent = nothing yet
   * @returns where it stands, or `undefined` when none is configured
   * @throws ProxyError unavailable when it can't be read or is no country database; what workers use is untouched
   */
  async load(used?: GeoipSlot): Promise<GeoipSlot | undefined> {
    if (!this.isConfigured) return undefined;
    // Before the reading: a file that changes meanwhile is read again later.
    const stamp = await stampOf(this.#path);
    const { bytes } = await readGeoip(this.#path);
    const offset = used?.offset === 0 ? GEOIP_SLOT_BYTES : 0;
    new Uint8Array(this.#memory, offset, bytes.length).set(bytes);
    this.#stamp = stamp;
    return { offset, sizeBytes: bytes.length };
  }

  /**
   * The database that workers find at a slot, opened once; valid until the second load after the one that gave it.
   *
   * @param slot as `load` returned it; absent = there is no database
   */
  databaseAt(slot: GeoipSlot | undefined): CountryDatabase | undefined {
    if (slot === undefined) return undefined;
    if (this.#open?.slot !== slot) {
      const bytes = new Uint8Array(this.#memory, slot.offset, slot.sizeBytes);
      this.#open = { slot, database: new CountryDatabase(bytes, () => {}) };
    }
    return this.#open.database;
  }

  /** Whether the file is another one than the one that was read last. A file that has gone isn't. */
  async hasChanged(): Promise<boolean> {
    if (!this.isConfigured) return false;
    const stamp = await stampOf(this.#path);
    return stamp !== GONE && stamp !== this.#stamp;
  }
}

/**
 * Reads a GeoIP file and checks it as a start does.
 *
 * @throws ProxyError unavailable when it can't be read, is too large or is no country database
 */
export async function readCountryDatabase(path: string): Promise<CountryDatabase> {
  return (await readGeoip(path)).database;
}

interface ReadGeoip {
  readonly bytes: Uint8Array;
  readonly database: CountryDatabase;
}

async function readGeoip(path: string): Promise<ReadGeoip> {
  try {
    const { size } = await Deno.stat(path);
    if (size > GEOIP_SLOT_BYTES) throw new RangeError(`larger than ${GEOIP_SLOT_BYTES} bytes`);
    const bytes = await Deno.readFile(path);
    const database = new CountryDatabase(bytes, () => {});
    if (bytes.length > GEOIP_SLOT_BYTES) throw new RangeError(`larger than ${GEOIP_SLOT_BYTES} bytes`);
    return { bytes, database };
  } catch (error) {
    throw new ProxyError("unavailable", `cannot use the GeoIP database "${path}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}
