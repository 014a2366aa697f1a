/** Figures for people: plain text tables, three significant digits. Pure. */

/** Columns as wide as their widest cell, the first to the left, the others to the right; a rule under the head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map(row => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string => widths
    .map((width, column) => column === 0 ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width))
    .join('  ').trimEnd()
  return [line(head), widths.map(width => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** `0.0123`, `1.23`, `12.3`, `123`, `12,345`; a dash for what was not measured. */
export function figure(value: number): string {
  if (Number.isNaN(value)) return '-'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return Number(value.toPrecision(3)).toString()
}

/** A share as per cent: `8.33 %`. */
export const percent = (share: number): string => `${figure(share * 100)} %`

/** Microseconds in the unit in which they read best. */
export function duration(us: number): string {
  if (Number.isNaN(us)) return '-'
  if (us < 1000) return `${figure(us)} us`
  return us < 1e6 ? `${figure(us / 1000)} ms` : `${figure(us / 1e6)} s`
}
