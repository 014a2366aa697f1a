/** A stream that writes a prefix before each line, so that two programs can share a terminal; what it passes on are whole lines. */
import { Transform, type TransformCallback } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/** A line that is longer is cut in pieces: somebody may write without ever ending a line. */
const LONGEST_LINE = 64 * 1024

export class PrefixedLines extends Transform {
  readonly #prefix: string
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''

  constructor(prefix: string) {
    super({ decodeStrings: true })
    this.#prefix = prefix
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n')
    this.#rest = lines.pop()!
    while (this.#rest.length > LONGEST_LINE) {
      lines.push(this.#rest.slice(0, LONGEST_LINE))
      this.#rest = this.#rest.slice(LONGEST_LINE)
    }
    done(null, lines.map(line => `${this.#prefix}${line}\n`).join(''))
  }

  override _flush(done: TransformCallback): void {
    const rest = this.#rest + this.#decoder.end()
    done(null, rest === '' ? '' : `${this.#prefix}${rest}\n`)
  }
}
