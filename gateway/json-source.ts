/**
 * Parts of JSON text as they were written: what is to be passed on byte for byte is cut out, never parsed and written anew.
 * So `1.0`, `12345678901234567890`, escapes and the order of keys stay what they were.
 *
 * Only for text that JSON.parse has accepted; other text gives any answer, but an end.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** The value of a member of the object that `json` is, as it is written; of several of one name the last, as when parsed. */
export function memberText(json: string, name: string): string | undefined {
  let at = skipSpace(json, 0)
  if (json.charCodeAt(at) !== OPEN_OBJECT) return undefined
  let found: string | undefined
  at = skipSpace(json, at + 1)
  while (json.charCodeAt(at) === QUOTE) {
    const nameEnd = stringEnd(json, at)
    const start = skipSpace(json, skipSpace(json, nameEnd) + 1)
    const end = valueEnd(json, start)
    if (isName(json, at, nameEnd, name)) found = json.slice(start, end)
    at = nextPart(json, end)
  }
  return found
}

/** The elements of the array that `json` is, each as it is written. */
export function elementTexts(json: string): string[] {
  let at = skipSpace(json, 0)
  const found: string[] = []
  if (json.charCodeAt(at) !== OPEN_LIST) return found
  at = skipSpace(json, at + 1)
  while (at < json.length && json.charCodeAt(at) !== CLOSE_LIST) {
    const end = valueEnd(json, at)
    found.push(json.slice(at, end))
    at = nextPart(json, end)
  }
  return found
}

/** Without white space between tokens. */
export function compactJson(json: string): string {
  let out = ''
  let from = 0
  for (let at = 0; at < json.length;) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) {
      at = stringEnd(json, at)
    } else if (isSpace(code)) {
      out += json.slice(from, at)
      from = at = skipSpace(json, at)
    } else {
      at++
    }
  }
  return from === 0 ? json : out + json.slice(from)
}

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

function skipSpace(json: string, at: number): number {
  while (isSpace(json.charCodeAt(at))) at++
  return at
}

/** Behind the comma, where one follows. */
function nextPart(json: string, end: number): number {
  const at = skipSpace(json, end)
  return json.charCodeAt(at) === COMMA ? skipSpace(json, at + 1) : Math.max(at, end)
}

/** Behind the closing quote of the string that opens at `start`. */
function stringEnd(json: string, start: number): number {
  for (let at = start + 1; ;) {
    const quote = json.indexOf('"', at)
    if (quote === -1) return json.length
    let escapes = quote
    while (json.charCodeAt(escapes - 1) === BACKSLASH) escapes--
    if ((quote - escapes) % 2 === 0) return quote + 1
    at = quote + 1
  }
}

function valueEnd(json: string, start: number): number {
  let depth = 0
  for (let at = start; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === QUOTE) {
      at = stringEnd(json, at) - 1
      if (depth === 0) return at + 1
    } else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      depth++
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) {
      if (depth <= 1) return depth === 0 ? Math.max(at, start + 1) : at + 1
      depth--
    } else if (depth === 0 && (code === COMMA || isSpace(code))) {
      return Math.max(at, start + 1)
    }
  }
  return json.length
}

function isName(json: string, start: number, end: number, name: string): boolean {
  if (end - start - 2 < name.length) return false
  const written = json.slice(start + 1, end - 1)
  return written.includes('\\') ? JSON.parse(`"${written}"`) === name : written === name
}
