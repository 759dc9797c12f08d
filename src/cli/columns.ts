/**
 * Text in columns.
 *
 * @module
 */

/** Rows as lines: all but the last cell of each padded to its column's width. Each has as many cells as the first. */
export function alignColumns(rows: readonly (readonly string[])[]): readonly string[] {
  // Not by spreading: there may be more rows than a call takes arguments.
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, column) => Math.max(cell.length, widest[column] ?? 0)),
    [],
  );
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}
