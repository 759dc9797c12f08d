/**
 * A mistake in a configuration, and the checks that several of its parts share.
 *
 * @module
 */

import { ENDPOINT_WANTED, formatEndpoint, parseEndpoint } from "./listen_address.ts";
import type { Endpoint } from "./model.ts";

/** One mistake. */
export interface Issue {
  /** Where, in the words of the TOML file: `listeners[0].routes[2].hostname`. */
  readonly path: string;
  /** What would be right. */
  readonly wanted: string;
  /** What is there, strings quoted. */
  readonly got: string;
}

/** A mistake in a backend's address, if there is one. */
export function validateBackend(endpoint: Endpoint, path: string): Issue[] {
  const text = formatEndpoint(endpoint);
  return isSameEndpoint(endpoint, parseEndpoint(text))
    ? []
    : [{ path, wanted: ENDPOINT_WANTED, got: quote(text) }];
}

/** A mistake in a count, if there is one. 0 is legal. */
export function validateCount(count: number, max: number, path: string): Issue[] {
  if (Number.isSafeInteger(count) && count >= 0 && count <= max) return [];
  return [{ path, wanted: `an integer from 0 to ${max}`, got: String(count) }];
}

/** Whether parsing gave back what was there, so that it is canonical. */
export function isSameEndpoint(endpoint: Endpoint, parsed: Endpoint | undefined): boolean {
  return parsed !== undefined && parsed.host === endpoint.host && parsed.port === endpoint.port;
}

const SHOWN_MAX = 60;

/**
 * A string as an error message shows it: its beginning when it is long. Text of several lines is never shown: it may be
 * a key that was pasted where its path belongs.
 */
export function quote(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what it looks for
  if (/[\x00-\x1f\x7f]|-----BEGIN/.test(text)) return `a text of ${text.length} characters that is not shown`;
  if (text.length > SHOWN_MAX) return `"${text.slice(0, SHOWN_MAX)}…" (${text.length} characters)`;
  return JSON.stringify(text);
}
