/** The system's clock with a wall time that a test moves; monotonic time and timers go on as they do. */
import { SystemClock } from '../../../core/clock.ts'
import { Actor, type Host } from '../../../index.ts'

export class MovedClock extends SystemClock {
  #aheadMs = 0

  override wallMs(): number {
    return Date.now() + this.#aheadMs
  }

  /**
   * Moves the wall time. Schedulers look at it at least every ten seconds; a commit of a due row, which `host` makes, lets
   * them look at once. The host must run `Nudge`.
   */
  async jump(ms: number, host: Host): Promise<void> {
    this.#aheadMs += ms
    await host.actor(Nudge, 'nudge').nudge()
  }
}

export class Nudge extends Actor {
  async nudge() {
    await this.ctx.reminders.set('never', { in: '5000h' }, '_never')
  }
  _never() {}
}
