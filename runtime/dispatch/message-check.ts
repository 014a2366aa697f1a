/**
 * Whether a peer's message has the shape of its kind, before anything is made of it. Pure.
 *
 * Certificates say that a peer is a host of this cluster, not that it is of a sound mind: a host of another version, or one whose
 * memory is broken, must not leave numbers that are none in tables, deadlines or the store. Types and methods are looked up
 * before they are used, so their names need no look here; an id goes to the store as it is. Kinds that are not known are passed:
 * a newer version may have them.
 */
import { nameProblem, MAX_ID_BYTES } from '../../core/ids.ts'
import { TroupeError } from '../../core/errors.ts'
import { keyProblem } from '../activation/once-entries.ts'
import type { Message } from '../transport/transport.ts'
import { kind } from './messages.ts'

/** Longer than any call's time. */
const MAX_TIMEOUT_MS = 2 ** 31
/** Type, id and turn of each link; far above the deepest chain. */
const MAX_CHAIN = 3 * 1024

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
/** Not always whole: an owner in doubt of a commit raises its own by a fraction. */
const isEpoch = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** @throws PROTOCOL naming the peer: its link is then closed */
export function checkMessage(peerId: string, message: Message): void {
  const problem = isCount(message[1]) ? problemOf(message) : 'has no call id'
  if (problem !== undefined) throw new TroupeError('PROTOCOL', `host ${peerId} sent a message of kind ${String(message[0])} that ${problem}`)
}

function problemOf(message: Message): string | undefined {
  switch (message[0]) {
    case kind.call: return callProblem(message)
    case kind.result: return isEpoch(message[3]) ? undefined : 'has no epoch'
    case kind.stream: return isEpoch(message[2]) ? undefined : 'has no epoch'
    case kind.error: return errorProblem(message[2])
    case kind.status: return message[2] instanceof Uint8Array ? undefined : 'holds no bytes'
    default: return undefined
  }
}

function callProblem(message: Message): string | undefined {
  if (!isText(message[2]) || !isText(message[4])) return 'names no method'
  if (nameProblem(message[3], MAX_ID_BYTES) !== undefined) return 'names no actor'
  const args = message[5]
  const timeoutMs = message[6]
  const chain = message[7]
  if (!Array.isArray(args) && !(args instanceof Uint8Array)) return 'has no arguments'
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0 && timeoutMs <= MAX_TIMEOUT_MS)) return 'has no timeout'
  if (chain !== null && !isChain(chain)) return 'has no call chain'
  if (!isCount(message[8])) return 'has no flags'
  if (message.length === 9) return undefined
  const once = message[9]
  const caller = message[10]
  if (once !== undefined && once !== null && !isOnce(once)) return 'has neither key nor number of a send'
  return caller === undefined || (Array.isArray(caller) && caller.length <= 4 && caller.every(part => part === null || typeof part === 'string'))
    ? undefined : 'has no caller'
}

function isChain(chain: unknown): boolean {
  if (!Array.isArray(chain) || chain.length % 3 !== 0 || chain.length > MAX_CHAIN) return false
  for (let i = 0; i < chain.length; i += 3) {
    if (!isText(chain[i]) || !isText(chain[i + 1]) || !isCount(chain[i + 2])) return false
  }
  return true
}

function isOnce(once: unknown): boolean {
  if (typeof once === 'string') return keyProblem(once) === undefined
  if (!Array.isArray(once) || once.length !== 3) return false
  const [sender, number, previous] = once as unknown[]
  return isSender(sender) && isCount(number) && (previous === null || isCount(previous))
}

/** `TYPE/ID`: part of an entry's name in the store. */
function isSender(sender: unknown): boolean {
  if (typeof sender !== 'string') return false
  const slash = sender.indexOf('/')
  return slash > 0 && nameProblem(sender.slice(0, slash), MAX_ID_BYTES) === undefined && nameProblem(sender.slice(slash + 1), MAX_ID_BYTES) === undefined
}

function errorProblem(packed: unknown): string | undefined {
  if (!Array.isArray(packed)) return 'holds no error'
  const [form, code, text, proof] = packed as unknown[]
  if (typeof code !== 'string' || typeof text !== 'string') return 'holds no error'
  if (form === 'a') return undefined
  return form === 't' && (proof === 'no' || proof === 'yes' || proof === 'unknown') ? undefined : 'holds an error that proves nothing'
}
