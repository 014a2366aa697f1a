/**
 * What a key of a Dapr state store is, from its text alone. Pure.
 *
 *     APP||TYPE||ID||KEY                     state of an actor
 *     APP||KEY                               state of the application, no actor's
 *     actors||TYPE                           reminders of a type, one array (Dapr until 1.16)
 *     actors||TYPE||metadata                 in how many parts they are kept, when in parts
 *     actors||TYPE||METADATA-ID||reminders||N    such a part
 *     TYPE||ID||NAME                         when a reminder ran last; read where the reminder is
 *
 * An id or a key may hold `||`, so the text alone has several readings. The app id is known, or what stands before the first `||`:
 * app ids hold none. The type is the longest of the known types that fits, or, where none is given, what stands before the next `||`.
 * Of the rest, the **last** `||` parts id and key: ids are made by callers (`order||17`), keys are names in a program. A key that
 * does hold `||` is therefore read as part of its id, unless that is told by nothing at all; whoever has such keys renames them first.
 */

export type KeyKind =
  | { readonly kind: 'state'; readonly type: string; readonly id: string; readonly key: string }
  | { readonly kind: 'reminders' | 'reminderParts'; readonly type: string }
  /** Read with the metadata that names it. */
  | { readonly kind: 'reminderPart'; readonly type: string }
  | { readonly kind: 'application' }
  | { readonly kind: 'otherType' }
  /** `prefix`: what stands before the first `||`, or '' when there is none. */
  | { readonly kind: 'foreign'; readonly prefix: string }

export const SEPARATOR = '||'

/** `types`: those asked for; none: all. `appId` undefined: only reminders are anybody's. */
export function readKey(text: string, appId: string | undefined, types: readonly string[]): KeyKind {
  const reminders = readReminderKey(text)
  if (reminders !== undefined) return types.length === 0 || types.includes(reminders.type) ? reminders : { kind: 'otherType' }
  const first = text.indexOf(SEPARATOR)
  const prefix = first < 0 ? '' : text.slice(0, first)
  if (appId === undefined || prefix !== appId) return { kind: 'foreign', prefix }
  const rest = text.slice(first + SEPARATOR.length)
  const typeEnd = rest.indexOf(SEPARATOR)
  if (typeEnd <= 0) return { kind: 'application' }
  const type = types.length === 0 ? rest.slice(0, typeEnd) : longestOf(rest, types)
  if (type === undefined) return { kind: 'otherType' }
  const actor = rest.slice(type.length + SEPARATOR.length)
  const last = actor.lastIndexOf(SEPARATOR)
  if (last <= 0 || last + SEPARATOR.length === actor.length) return { kind: 'application' }
  return { kind: 'state', type, id: actor.slice(0, last), key: actor.slice(last + SEPARATOR.length) }
}

/** What stands before the first `||` of a key that can be an actor's state: the app id, where nobody has said it. */
export function appIdOf(text: string): string | undefined {
  const first = text.indexOf(SEPARATOR)
  if (first <= 0) return undefined
  const appId = text.slice(0, first)
  return readKey(text, appId, []).kind === 'state' ? appId : undefined
}

export const reminderPartsKey = (type: string): string => `actors||${type}||metadata`
export const reminderPartKey = (type: string, metadataId: string, part: number): string => `actors||${type}||${metadataId}||reminders||${part}`
/** Where it is noted when a reminder ran last. */
export const lastRunKey = (type: string, id: string, name: string): string => `${type}||${id}||${name}`

const longestOf = (rest: string, types: readonly string[]): string | undefined =>
  types.filter(type => rest.startsWith(type + SEPARATOR)).sort((a, b) => b.length - a.length)[0]

function readReminderKey(text: string): Extract<KeyKind, { type: string }> | undefined {
  if (!text.startsWith('actors||')) return undefined
  const parts = text.slice('actors||'.length).split(SEPARATOR)
  const type = parts[0]!
  if (type === '') return undefined
  if (parts.length === 1) return { kind: 'reminders', type }
  if (parts.length === 2 && parts[1] === 'metadata') return { kind: 'reminderParts', type }
  if (parts.length === 4 && parts[2] === 'reminders' && /^\d+$/.test(parts[3]!)) return { kind: 'reminderPart', type }
  return undefined
}
