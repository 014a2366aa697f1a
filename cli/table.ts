/** Rows as a table of plain text: columns as wide as their widest cell, numbers to the right. */

export type Cell = string | number
export type Row = readonly Cell[]

export const formatTable = (head: readonly string[], rows: readonly Row[]): string => new PagedTable(head).next(rows)

/** A table that is printed page by page: its head stands above the first, and columns never become narrower. */
export class PagedTable {
  readonly #head: readonly string[]
  readonly #widths: number[]
  #begun = false

  constructor(head: readonly string[]) {
    this.#head = head
    this.#widths = head.map(width)
  }

  /** The lines of these rows, without a line break at their end. */
  next(rows: readonly Row[]): string {
    const lines = [...(this.#begun ? [] : [this.#head]), ...rows].map(row => row.map(cell => typeof cell === 'number' ? cell.toLocaleString('en-US') : cell))
    this.#begun = true
    for (const line of lines) line.forEach((cell, column) => { this.#widths[column] = Math.max(this.#widths[column] ?? 0, width(cell)) })
    const toRight = this.#head.map((_, column) => rows.some(row => typeof row[column] === 'number') && rows.every(row => typeof row[column] === 'number' || row[column] === '-'))
    return lines.map(line => line.map((cell, column) => {
      const space = ' '.repeat((this.#widths[column] ?? 0) - width(cell))
      return toRight[column] === true ? space + cell : cell + space
    }).join('  ').trimEnd()).join('\n')
  }
}

/** Code points, good enough for ids in a terminal. */
const width = (text: string): number => [...text].length
