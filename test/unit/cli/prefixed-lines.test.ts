// Lines of another program, each behind a prefix.
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { PrefixedLines } from '../../../cli/prefixed-lines.ts'

async function prefixed(...chunks: readonly (string | Buffer)[]): Promise<string> {
  const lines = new PrefixedLines('> ')
  const all = text(lines)
  for (const chunk of chunks) lines.write(chunk)
  lines.end()
  return await all
}

describe('prefixed lines', () => {
  it('come out whole, however they came in', async () => {
    expect(await prefixed('a\nb', 'c\n\n', 'd')).toBe('> a\n> bc\n> \n> d\n')
    expect(await prefixed()).toBe('')
  })

  it('keep characters whole that were cut', async () => {
    const bytes = Buffer.from('grüße\n')
    expect(await prefixed(bytes.subarray(0, 3), bytes.subarray(3))).toBe('> grüße\n')
  })

  it('are cut when they never end', async () => {
    const out = await prefixed('x'.repeat(100_000), 'x'.repeat(100_000))
    expect(out.match(/^> /gm)).toHaveLength(4)
    expect(out.replace(/^> |\n/gm, '')).toBe('x'.repeat(200_000))
  })
})
