/**
 * What `check` and `doctor` find, one thing at a time.
 *
 * @module
 */

/** `error`: something is wrong now. `warning`: it will be, or it can't be told. */
export type FindingLevel = "ok" | "warning" | "error";

/** One thing that was looked at. */
export interface Finding {
  /** How it is. */
  readonly level: FindingLevel;
  /** What was looked at, such as `port 0.0.0.0:443`. */
  readonly what: string;
  /** How it is, in one sentence without a full stop that says what to do when it isn't well. */
  readonly detail: string;
}

/** One thing that is as it should be. */
export function ok(what: string, detail: string): Finding {
  return { level: "ok", what, detail };
}

/** One thing that will go wrong, or that can't be told. */
export function warning(what: string, detail: string): Finding {
  return { level: "warning", what, detail };
}

/** One thing that is wrong. */
export function error(what: string, detail: string): Finding {
  return { level: "error", what, detail };
}

/** Whether something is wrong. */
export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ level }) => level === "error");
}

/** One line each: `warning  clock: not synchronised`. */
export function renderFindings(findings: readonly Finding[]): string {
  return findings.map(({ level, what, detail }) => `${level.padEnd(7)}  ${what}: ${detail}\n`).join("");
}
