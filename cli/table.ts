/** Rows as a table of plain text: columns as wide as their widest cell, numbers to the right. */

export type Cell = string | number

export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [head, ...rows].map(row => row.map(cell => typeof cell === 'number' ? cell.toLocaleString('en-US') : cell))
  const widths = head.map((_, column) => Math.max(...lines.map(line => width(line[column] ?? ''))))
  const toRight = head.map((_, column) => rows.some(row => typeof row[column] === 'number') && rows.every(row => typeof row[column] === 'number' || row[column] === '-'))
  return lines.map(line => line.map((cell, column) => {
    const space = ' '.repeat((widths[column] ?? 0) - width(cell))
    return toRight[column] === true ? space + cell : cell + space
  }).join('  ').trimEnd()).join('\n')
}

/** Code points, good enough for ids in a terminal. */
const width = (text: string): number => [...text].length
