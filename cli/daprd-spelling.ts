/**
 * Command lines as people write them for daprd and `dapr run`, rewritten to what commander reads: one dash or two, camelCase as
 * in annotations and run files, older names, booleans that are bare or have `=value`. Pure; it refuses nothing: what no flag
 * fits is left for commander, which knows how to say so.
 */
import type { Option } from 'commander'

/** Names that daprd, `dapr run` or other commands of Troupe have, or once had, for the same thing. */
const otherNames: Readonly<Record<string, string>> = {
  'components-path': 'resources-path',
  protocol: 'app-protocol',
  'max-concurrency': 'app-max-concurrency',
  'placement-address': 'placement-host-address',
  'http-port': 'dapr-http-port',
  'grpc-port': 'dapr-grpc-port',
}

export interface SpellingOptions {
  /** The first word that is no flag begins a command of its own, also without `--` before it. */
  readonly commandFollows: boolean
}

export function spelledOut(words: readonly string[], options: readonly Option[], { commandFollows }: SpellingOptions): string[] {
  const spelled: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--') return [...spelled, ...words.slice(i)]
    if (!/^-./.test(word)) {
      if (commandFollows) return [...spelled, '--', ...words.slice(i)]
      spelled.push(word)
      continue
    }
    const { option, value } = understood(word, options)
    if (option === undefined) spelled.push(/^-[^-]./.test(word) ? `-${word}` : word)
    else if (!option.required) spelled.push(...withoutValue(option, value))
    else if (value !== undefined) spelled.push(`${option.long}=${value}`)
    else if (i + 1 < words.length) spelled.push(`${option.long}=${words[++i]}`)
    else spelled.push(option.long!)
  }
  return spelled
}

function understood(word: string, options: readonly Option[]): { option?: Option | undefined; value?: string | undefined } {
  const [, dashes, name, value] = /^(--?)([^=]+)(?:=([^]*))?$/.exec(word) ?? []
  if (name === undefined) return {}
  const long = named(name, options)
  if (long !== undefined) return { option: long, value }
  if (dashes === '--') return {}
  const short = options.find(o => o.short === `-${name[0]}`)
  if (short === undefined || (name.length > 1 && !short.required)) return {}
  return { option: short, value: name.length > 1 ? word.slice(2) : value }
}

const named = (name: string, options: readonly Option[]): Option | undefined => {
  const find = (each: string): Option | undefined => options.find(o => o.long === `--${each}`)
  const kebab = name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2').toLowerCase()
  return find(name) ?? find(kebab) ?? find(otherNames[kebab] ?? '')
}

/** `[bool]` options get their value spelled out, so that the next word is never taken for it. */
const withoutValue = (option: Option, value: string | undefined): string[] => {
  if (option.optional) return [`${option.long}=${value ?? 'true'}`]
  if (value === 'false') return []
  return [value === undefined || value === 'true' ? option.long! : `${option.long}=${value}`]
}
