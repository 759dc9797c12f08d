/**
 * Which country an address is in, from a database in MaxMind's format. The main process reads the file into a
 * memory file with two slots; workers look up in the one that their state names, all on the same copy.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type CountryResponse, Reader } from "maxmind";
import { ProxyError } from "../errors.ts";
import type { IpAddress } from "../policy/ip_address.ts";

/** Largest database. The memory is sparse: only what the file fills costs anything. */
export const GEOIP_SLOT_BYTES = 64 * 1024 * 1024;
/** A reload fills the slot that no worker uses. */
export const GEOIP_SLOTS = 2;

/** One database, ready for lookups. */
export class CountryDatabase {
  readonly #reader: Reader<CountryResponse>;
  readonly #onError: () => void;

  /**
   * Reads the metadata; lookups read the rest.
   *
   * @param bytes the whole file; must not change while the database is used
   * @param onError called for each lookup that fails inside a damaged database
   * @throws ProxyError unavailable when this is no database
   */
  constructor(bytes: Uint8Array, onError: () => void) {
    this.#onError = onError;
    try {
      this.#reader = new Reader<CountryResponse>(
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      );
    } catch (error) {
      throw new ProxyError("unavailable", `not a country database: ${String(error)}`, { cause: error });
    }
  }

  /** When the database was built, Unix time in ms. */
  get builtAtMs(): number {
    return Number(this.#reader.metadata.buildEpoch);
  }

  /**
   * ISO code of the country that an address is in.
   *
   * @returns `undefined` when the database doesn't say, or is damaged at that place; never throws
   */
  country(address: IpAddress): string | undefined {
    try {
      const code: unknown = this.#reader.get(address.text)?.country?.iso_code;
      return typeof code === "string" ? code : undefined;
    } catch {
      this.#onError();
      return undefined;
    }
  }
}
