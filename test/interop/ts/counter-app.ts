/** TsCounter: a TypeScript class beside actors in other languages. It calls them as it would call a class of its own. */
import { Actor } from 'troupe'

interface Remote {
  [method: string]: (by: number) => Promise<unknown>
}

export class TsCounter extends Actor {
  value = 0

  increment(by: number): number {
    this.value += by
    return this.value
  }

  get(): number {
    return this.value
  }

  async relay(type: string, id: string, method: string, by: number): Promise<unknown> {
    const other = this.ctx.actor(type, id) as unknown as Remote
    return await other[method]!(by)
  }
}
