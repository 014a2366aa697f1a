/**
 * What a run has started, ended last first: when asked to, or when a signal (Ctrl-C) ends this process. Nothing that was frozen,
 * cut or half started is left behind.
 */
type Close = () => Promise<void> | void

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** As a shell names the end by Ctrl-C. */
const EXIT_INTERRUPTED = 130

export class CleanUp {
  readonly #closes: Close[] = []
  readonly #onSignal = (): void => { void this.close().finally(() => process.exit(EXIT_INTERRUPTED)) }
  #closed: Promise<void> | undefined

  constructor() {
    // Ctrl-C reaches a process twice when a package manager relays it: the second must not end it half done.
    for (const signal of signals) process.on(signal, this.#onSignal)
  }

  /** From now on this is to be closed; at once when everything else is closed already. */
  add(close: Close): void {
    this.#closes.push(close)
    if (this.#closed !== undefined) void this.#closed.then(() => this.#closeAll())
  }

  /** Rejects with what failed first, when everything was tried. */
  close(): Promise<void> {
    return this.#closed ??= this.#closeAll()
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (let close = this.#closes.pop(); close !== undefined; close = this.#closes.pop()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    for (const signal of signals) process.off(signal, this.#onSignal)
    if (failures.length > 0) throw failures[0]
  }
}
