/** Actor types that are the Dapr workflow runtime's own: their state, reminders and timers are nobody else's. */
import { TroupeError } from '../../core/errors.ts'

const RESERVED = 'dapr.internal.'

/** @throws FORBIDDEN */
export function refuseReserved(type: string): void {
  if (!type.startsWith(RESERVED)) return
  throw new TroupeError('FORBIDDEN',
    `actor type ${JSON.stringify(type)} is reserved for the Dapr workflow runtime; direct actor API access is not permitted`)
}
