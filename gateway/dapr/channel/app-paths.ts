/**
 * Paths of an application's routes. Percent-encoded exactly as Go's net/url writes a path, because Go's routers hand out a parameter
 * undecoded when its encoding is not the one that they would have chosen: `a@b` must not travel as `a%40b`, nor `(` as itself.
 */
import { TroupeError } from '../../../core/errors.ts'

const plain = /^[A-Za-z0-9\-_.~$&+,:;=@]*$/
const keptByGo = /%(?:24|26|2B|2C|3A|3B|3D|40)/g
const encodedByGo = /[!'()*]/g

const encodedSegment = (text: string): string => plain.test(text) ? text : encodeURIComponent(text)
  .replace(keptByGo, escape => String.fromCharCode(parseInt(escape.slice(1), 16)))
  .replace(encodedByGo, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

export const actorPath = (type: string, id: string): string => `/actors/${encodedSegment(type)}/${encodedSegment(id)}`

/**
 * `/` in a method's name separates segments. The doors clean such names; here is the last place where one could leave its actor.
 * @throws BAD_REQUEST
 */
export function methodPath(type: string, id: string, method: string): string {
  const base = `${actorPath(type, id)}/method/`
  if (plain.test(method) && !method.startsWith('.')) return base + method
  const segments = method.split('/')
  if (segments.some(segment => segment === '.' || segment === '..')) {
    throw new TroupeError('BAD_REQUEST', `invalid request: invalid method: it holds the segment '.' or '..' (${JSON.stringify(method.slice(0, 60))})`)
  }
  return base + segments.map(encodedSegment).join('/')
}

export const reminderPath = (type: string, id: string, name: string): string => `${actorPath(type, id)}/method/remind/${encodedSegment(name)}`

export const timerPath = (type: string, id: string, name: string): string => `${actorPath(type, id)}/method/timer/${encodedSegment(name)}`
