/**
 * Whether a host that a link broke to has died, or only the link: a life that is in the table is not over. Asked when a
 * call is about to leave again, by when the table has followed.
 */
import type { TroupeError } from '../../core/errors.ts'
import type { Membership } from '../../placement/membership.ts'

/** One life of a host, to which a link broke while it ran a call. */
export interface LostLife {
  readonly host: string
  readonly incarnation: string
}

export interface HostLives {
  /** The present life of a host; undefined when it is no member. */
  lifeOf(host: string): LostLife | undefined
  isOver(life: LostLife): boolean
  /** Whether the actor belongs to this very host, as far as is known. */
  isHere(type: string, id: string): boolean
}

export function hostLives(membership: Membership, selfId: string, shardOf: (type: string, id: string) => number): HostLives {
  return {
    lifeOf(host) {
      const member = membership.table.members.get(host)
      return member && { host, incarnation: member.incarnation }
    },
    isOver: ({ host, incarnation }) => membership.table.members.get(host)?.incarnation !== incarnation,
    isHere: (type, id) => membership.table.owner(type, shardOf(type, id))?.member.id === selfId,
  }
}

/** What a PEER_LOST of this host's own says of the life that it was. */
export function lostLife({ data }: TroupeError): LostLife | undefined {
  const life = data as Partial<LostLife> | null | undefined
  return typeof life === 'object' && typeof life?.incarnation === 'string' && typeof life.host === 'string' ? life as LostLife : undefined
}
