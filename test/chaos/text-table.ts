/** Rows as aligned columns, for people. */

export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

/** The middle and the greatest of some numbers of milliseconds. */
export function medianAndWorst(times: readonly number[]): { median: number; worst: number } {
  const sorted = times.toSorted((a, b) => a - b)
  return { median: sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN, worst: sorted.at(-1) ?? NaN }
}
