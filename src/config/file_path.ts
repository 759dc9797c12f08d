/**
 * Paths of the TOML file, made absolute without touching a disk.
 *
 * @module
 */

/**
 * The absolute path that a path in the TOML file means.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(resolvePath("/etc/mc-proxy", "../ssl/a.pem"), "/etc/ssl/a.pem");
 * assert.equal(resolvePath("/etc/mc-proxy", "/srv/a.pem"), "/srv/a.pem");
 * ```
 *
 * @param folder absolute path of the TOML file's folder
 * @param path not empty; relative to `folder`, or absolute
 * @returns absolute, without `.`, `..` and double slashes
 */
export function resolvePath(folder: string, path: string): string {
  const steps: string[] = [];
  for (const step of (path.startsWith("/") ? path : `${folder}/${path}`).split("/")) {
    if (step === "..") steps.pop();
    else if (step !== "" && step !== ".") steps.push(step);
  }
  return `/${steps.join("/")}`;
}
