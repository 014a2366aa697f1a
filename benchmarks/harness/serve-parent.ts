/** The child's side of child.ts: answers its parent's calls, and exits when the parent is gone. */
import { messageOf } from '../../core/errors.ts'
import type { BuiltInApi, ChildApi, FromChild, ToChild } from './child.ts'
import { cpuSecondsOfProcess } from './sample.ts'

/** `api.stop`, if there is one, is awaited before the process exits on the parent's request. */
export function serveParent(api: ChildApi & { stop?(): unknown }): void {
  const tell = (message: FromChild): void => { process.send?.(message) }
  const builtIn: BuiltInApi = {
    cpuSeconds: cpuSecondsOfProcess,
    exit: () => { void Promise.resolve(api.stop?.()).finally(() => process.exit(0)) },
  }
  const methods: ChildApi = { ...api, ...builtIn }

  process.on('disconnect', () => process.exit(0))
  process.on('message', async ({ call, method, args }: ToChild) => {
    try {
      const run = methods[method]
      if (run === undefined) throw new Error(`there is no method ${method}`)
      tell({ call, value: await run(...args) })
    } catch (error) {
      tell({ call, error: messageOf(error) })
    }
  })
  tell({ ready: true })
}
