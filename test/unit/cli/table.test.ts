// Tables of plain text.
import { expect, it } from 'vitest'
import { formatTable } from '../../../cli/table.ts'

it('aligns words to the left and numbers to the right', () => {
  expect(formatTable(['HOST', 'N', ''], [['a', 1, 'x'], ['bcdef', 12_345, ''], ['ü', '-', 'y']])).toBe([
    'HOST        N',
    'a           1  x',
    'bcdef  12,345',
    'ü           -  y',
  ].join('\n'))
})

it('is only its head without rows', () => {
  expect(formatTable(['A', 'B'], [])).toBe('A  B')
})
