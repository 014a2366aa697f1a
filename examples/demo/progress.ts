/** Live progress of the demo: one line in place on a terminal, else one line a second. */

export class Progress {
  readonly #look: () => string
  readonly #inPlace = process.stdout.isTTY === true
  readonly #timer: NodeJS.Timeout

  constructor(look: () => string) {
    this.#look = look
    this.#timer = setInterval(() => this.#draw(), this.#inPlace ? 200 : 1000)
  }

  #draw(): void {
    process.stdout.write(this.#inPlace ? `\r\u001b[2K${this.#look()}` : `${this.#look()}\n`)
  }

  /** A line that stays, above the live one. */
  say(line: string): void {
    process.stdout.write(`${this.#inPlace ? '\r\u001b[2K' : ''}${line}\n`)
  }

  stop(): void {
    clearInterval(this.#timer)
    if (this.#inPlace) process.stdout.write('\r\u001b[2K')
  }
}
