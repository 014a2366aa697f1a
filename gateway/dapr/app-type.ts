/** What an application says of the actor types it runs, resolved: `GET /dapr/config`, or the first message of its event stream. */

export interface AppType {
  readonly name: string
  readonly idleMs: number
  /** How long a call that is under way may go on when the actor moves. */
  readonly drainMs: number
  /** False: calls under way are cut at once when the actor moves. */
  readonly drainRebalanced: boolean
  readonly reentrant: boolean
  /** Turns of one actor that one chain of calls may be in at once. */
  readonly maxStackDepth: number
}
