/**
 * Loads the TOML configuration file from disk.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { resolvePath } from "./file_path.ts";
import { ConfigError } from "./issue.ts";
import { type BootConfig, parseConfig } from "./parse.ts";

/** Far more than 100,000 firewall rules take. */
const FILE_BYTES_MAX = 64 << 20;

/**
 * Reads a TOML configuration file. Reads nothing else: neither the database nor the files that it names.
 *
 * @param path of the TOML file, absolute or relative to the working directory; its own folder is where the paths
 * inside it start
 * @throws {ConfigError} with every mistake of the file
 * @throws {ProxyError} `config` when the file can't be read, is too large or is no UTF-8
 */
export async function loadConfig(path: string): Promise<BootConfig> {
  const text = await readText(path);
  const parsed = parseConfig(text, { folder: resolvePath(Deno.cwd(), `${path}/..`) });
  if (parsed.issues !== undefined) throw new ConfigError(path, parsed.issues);
  return parsed.config;
}

async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    const { isDirectory, size } = await Deno.stat(path);
    if (isDirectory) throw new ProxyError("config", `"${path}" is a folder, not a configuration file`);
    if (size > FILE_BYTES_MAX) {
      throw new ProxyError("config", `"${path}" has ${size} bytes, more than the ${FILE_BYTES_MAX} allowed`);
    }
    bytes = await Deno.readFile(path);
  } catch (cause) {
    if (cause instanceof ProxyError) throw cause;
    throw new ProxyError("config", `can't read "${path}": ${reasonOf(cause)}`, { cause });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ProxyError("config", `"${path}" is not UTF-8 text`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.PermissionDenied) return "permission denied";
  return messageOf(cause);
}
