/**
 * Which program this is.
 *
 * @module
 */

import project from "../../deno.json" with { type: "json" };

/** The version of mc-proxy, such as `0.1.0`. */
export const VERSION: string = project.version;
