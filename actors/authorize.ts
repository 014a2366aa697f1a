/**
 * The hook that says who may do what with which actor (`authorize` of a host): what it is asked, and about whom.
 *
 * It is asked on the host that runs the actor, with the names that are dispatched and no others, before the call takes a place
 * in the actor's mailbox and before it activates it. Only `true` admits; anything else, a throw and a hook that does not answer
 * in time refuse with FORBIDDEN.
 */

/** Who asks. */
export type Caller =
  /** A client, by one of the doors; `token` is the name of its API token, `certificate` the name in its certificate. */
  | { readonly kind: 'outside'; readonly via: string; readonly token?: string | undefined; readonly certificate?: string | undefined }
  /** A turn of another actor, or of this one; also the actor whose durable send it is. For reminders that run: the actor itself. */
  | { readonly kind: 'actor'; readonly type: string; readonly id: string }
  /** Code of a host's process, outside all turns: `host.actor(…)`. */
  | { readonly kind: 'host'; readonly id: string }

export interface AuthorizeRequest {
  readonly type: string
  /** '' for a list, which is about all actors of the type. */
  readonly id: string
  /** A method (`onReminder` for the hook of that name) · for 'read' a field or key · for 'manage' an operation, such as `reminders.set`. */
  readonly method: string
  /**
   * `call`: a method · `send`: a durable send that arrives · `reminder`: a method as the target of a reminder or timer, when somebody
   * outside sets it (beside `manage`), of a reminder also each time it runs · `read`: state · `manage`: reminders, timers, sends, and
   * changes of state from outside · `list`: reminders or sends of a whole type. Timers that the actor's own code sets are not asked about.
   */
  readonly kind: 'call' | 'send' | 'reminder' | 'read' | 'manage' | 'list'
  readonly caller: Caller
}

export type Authorize = (request: AuthorizeRequest) => boolean | Promise<boolean>

export function showCaller(caller: Caller): string {
  switch (caller.kind) {
    case 'actor': return `${caller.type}/${caller.id}`
    case 'host': return `host ${caller.id}`
    case 'outside': {
      const name = caller.token ?? caller.certificate
      return name === undefined ? `a client by ${caller.via}` : `the client ${name} by ${caller.via}`
    }
  }
}

/** As it travels between hosts; undefined needs no room: who calls then follows from the call. */
export const packCaller = (caller: Caller): readonly (string | null)[] => caller.kind === 'outside'
  ? ['o', caller.via, caller.token ?? null, caller.certificate ?? null]
  : caller.kind === 'host' ? ['h', caller.id] : ['a', caller.type, caller.id]

export function unpackCaller(packed: unknown): Caller | undefined {
  if (!Array.isArray(packed)) return undefined
  const [kind, first, second, third] = packed as unknown[]
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
  switch (kind) {
    case 'o': return { kind: 'outside', via: String(first), token: text(second), certificate: text(third) }
    case 'h': return { kind: 'host', id: String(first) }
    case 'a': return { kind: 'actor', type: String(first), id: String(second) }
    default: return undefined
  }
}
