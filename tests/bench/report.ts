/**
 * The bench's table: medians by row and peer, the ratio to HAProxy, the goal and whether it is met.
 *
 * @module
 */

import type { Figures, Goal, Row } from "./measures/measure.ts";
import { median } from "./statistics.ts";

/** Figures of every round, by the peer's name. */
export type Rounds = ReadonlyMap<string, readonly Figures[]>;

/** The peer that goals and ratios compare with. */
export const REFERENCE = "HAProxy";
/** The peer that goals are set for. */
export const SUBJECT = "mc-proxy";

/** Column-aligned text. A figure that wasn't taken is `-`, and so is what can't be compared. */
export function report(rows: readonly Row[], rounds: Rounds): string {
  const peers = [...rounds.keys()];
  const others = peers.filter((name) => name !== REFERENCE);
  const compared = rounds.has(REFERENCE) ? others : [];
  const header = ["median", ...peers, ...compared.map((name) => `${name}/${REFERENCE}`), "goal", ""];
  const lines = rows.map((row) => {
    const value = (name: string) =>
      median((rounds.get(name) ?? []).map((figures) => figures[row.key] ?? NaN));
    const reference = value(REFERENCE);
    return [
      row.title,
      ...peers.map((name) => shown(value(name), row.digits)),
      ...compared.map((name) => shown(value(name) / reference, 2)),
      row.goal === undefined ? "" : goalText(row.goal),
      row.goal === undefined ? "" : verdict(row.goal, value(SUBJECT), reference, value),
    ];
  });
  return aligned([header, ...lines]);
}

/** Whether `goal` is met; `-` when a figure is missing. @param valueOf figures by the peer's name, NaN for none */
export function verdict(
  goal: Goal,
  figure: number,
  reference: number,
  valueOf: (name: string) => number = () => NaN,
): "met" | "MISSED" | "-" {
  const [low, high] = bounds(goal, reference, valueOf);
  if (Number.isNaN(figure) || Number.isNaN(low) || Number.isNaN(high)) return "-";
  return figure >= low && figure <= high ? "met" : "MISSED";
}

function bounds(
  goal: Goal,
  reference: number,
  valueOf: (name: string) => number,
): [low: number, high: number] {
  if ("within" in goal) {
    const limits = goal.within.map(({ times, of }) => times * lowest(of.map(valueOf)));
    return [-Infinity, lowest(limits)];
  }
  if ("atLeast" in goal) return [goal.atLeast * reference, Infinity];
  if ("atMost" in goal) return [-Infinity, goal.atMost * reference];
  if ("limit" in goal) return [-Infinity, goal.limit];
  return [-Infinity, reference + goal.plus];
}

/** The lowest of those that are numbers; NaN when none is. */
function lowest(values: readonly number[]): number {
  const present = values.filter((value) => !Number.isNaN(value));
  return present.length === 0 ? NaN : Math.min(...present);
}

function goalText(goal: Goal): string {
  if ("within" in goal) {
    return goal.within.map(({ times, of }) => `<= ${times} x ${of.join("|")}`).join(", ");
  }
  if ("atLeast" in goal) return `>= ${goal.atLeast} x ${REFERENCE}`;
  if ("atMost" in goal) return `<= ${goal.atMost} x ${REFERENCE}`;
  if ("limit" in goal) return `<= ${goal.limit}`;
  return `<= ${REFERENCE} + ${goal.plus}`;
}

function shown(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}

function aligned(table: readonly (readonly string[])[]): string {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  return table.map((cells) =>
    cells.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))
      .join("  ").trimEnd()
  ).join("\n");
}
