/**
 * The writing side of an import: a host for a while, alone on the store, that stands in for the application. Each actor is made active
 * and changed by a turn of its own, so it is fenced like any other write; nothing is asked of the application, which is not there.
 */
import type { AppChannel } from '../../../actors/app-channel.ts'
import { TroupeError } from '../../../core/errors.ts'
import { showKey } from '../../../core/ids.ts'
import type { Dispatcher, ManageRequest } from '../../../runtime/dispatch/dispatcher.ts'
import type { ImportTarget } from './dapr-import.ts'

/** Whatever a reminder or a caller wants meanwhile: it has not left, and counts as no attempt. */
export const absentChannel: AppChannel = {
  name: 'the application, which an import does not start',
  invoke: () => Promise.reject(absent()),
  remind: () => Promise.reject(absent()),
  tick: () => Promise.reject(absent()),
  deactivate: () => Promise.resolve(),
}

const absent = (): TroupeError => new TroupeError('APP_UNREACHABLE', 'state is being imported, and the application is not there; start it afterwards', { executed: 'no' })

export function hostImportTarget(host: Pick<Dispatcher, 'manage'>): ImportTarget {
  const manage = (request: ManageRequest): Promise<unknown> => host.manage(request)
  return {
    async state(type, id, changes) {
      const transact: ManageRequest = { type, id, operation: 'state.transact', args: [changes] }
      try {
        await manage(transact)
      } catch (error) {
        if (!TroupeError.is(error, 'NOT_ACTIVE')) throw error
        // The state of an application's actor is changed where it is active: any turn makes it so.
        await manage({ type, id, operation: 'reminders.list', args: [{ limit: 1 }] })
        await manage(transact).catch((again: unknown) => { throw TroupeError.is(again, 'NOT_ACTIVE') ? elsewhere(type, id) : again })
      }
    },
    async reminder({ type, id, name, schedule, data, written }) {
      await manage({ type, id, operation: 'reminders.setData', args: [name, schedule, data, written] })
    },
  }
}

/** Retryable: about the cluster, not about what was given. */
const elsewhere = (type: string, id: string): TroupeError => new TroupeError('NOT_ACTIVE',
  `${showKey({ type, id })} became active on another host than this import's; stop the hosts and sidecars of this store and namespace, and run it again`, { retryable: true })
