// What callers see of an actor: inferred from its class, and what must not compile. Checked by the type checker alone.
import {
  Actor, ActorError, connect, createHost, type ActorOptions, type ActorRef, type MethodOptions, type RemoteRef, type UntypedRef,
} from 'troupe'
import type { ActorManagement, ReminderInfo, SendInfo } from '../../gateway/client.ts'
import type { Account as RemoteAccount } from './account.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function same<A, B>(proof: Same<A, B>): void

interface Entry {
  readonly cents: number
  readonly at: Date
}
interface Tree {
  children: Tree[]
}

class Account extends Actor {
  balance = 0
  entries: Entry[] = []
  handler: undefined | (() => void) = undefined
  #rates = new Map<string, number>()

  deposit(cents: number, note?: string) { this.balance += cents; return note === undefined ? this.balance : 0 }
  async history(): Promise<Entry[]> { return this.entries }
  async twice() { return Promise.resolve(Promise.resolve(1 as const)) }
  nothing() {}
  rate(...names: string[]): ReadonlyMap<string, number> | undefined { return names.length > 0 ? this.#rates : undefined }
  either(): boolean | Promise<string> { return true }
  anything(): any { return 1 }
  always(): never { throw new Error('never') }
  tree(): Tree { return { children: [] } }
  async *watch(from: number) { yield { from, text: 'x' } }
  _interest(rate: number) { return rate }
  onActivate() {}
  onDeactivate() {}
  private secret(): number { return this.inner() }
  protected inner() { return 1 }
  get accessor() { return this.secret() }

  async useContext() {
    const other = this.ctx.actor(Account, 'bob')
    same<typeof other, ActorRef<Account>>(true)
    same<ReturnType<typeof other.deposit>, Promise<number>>(true)
    const named = this.ctx.actor<Account>('Account', 'bob')
    same<typeof named, ActorRef<Account>>(true)
    const untyped = this.ctx.actor('Account', 'bob')
    same<typeof untyped, UntypedRef>(true)
    const stored = await this.ctx.storage.get<number>('k')
    same<typeof stored, number | undefined>(true)
    const listed = await this.ctx.storage.list<Entry>({ prefix: 'a', limit: 5 })
    same<typeof listed, Map<string, Entry>>(true)
    same<typeof this.ctx.signal, AbortSignal>(true)
    // @ts-expect-error an id is a string
    this.ctx.actor(Account, 5)
    // @ts-expect-error the context is given, not set
    this.ctx = undefined
    // @ts-expect-error there is no such option
    await this.ctx.storage.list({ before: 'x' })
    return 1
  }

  static readonly options: ActorOptions = { idleAfter: '15m', reentrancy: 'call-chain', mailbox: 10 }
  static readonly methods = { history: { readonly: true }, watch: { readonly: true }, _interest: { readonly: true } } satisfies MethodOptions<Account>
}

declare const ref: ActorRef<Account>

// Arguments and results.
same<Parameters<typeof ref.deposit>, [cents: number, note?: string | undefined]>(true)
same<ReturnType<typeof ref.deposit>, Promise<number>>(true)
same<ReturnType<typeof ref.history>, Promise<Entry[]>>(true)
same<ReturnType<typeof ref.twice>, Promise<1>>(true)
same<ReturnType<typeof ref.nothing>, Promise<void>>(true)
same<ReturnType<typeof ref.rate>, Promise<ReadonlyMap<string, number> | undefined>>(true)
same<Parameters<typeof ref.rate>, string[]>(true)
same<ReturnType<typeof ref.either>, Promise<boolean | string>>(true)
same<ReturnType<typeof ref.anything>, Promise<any>>(true)
same<ReturnType<typeof ref.always>, Promise<never>>(true)
ref.either().then(value => typeof value)
// Results are taken as they are: recursive types too.
same<ReturnType<typeof ref.tree>, Promise<Tree>>(true)
same<ReturnType<typeof ref.watch>, AsyncIterable<{ from: number; text: string }>>(true)
same<Parameters<typeof ref.watch>, [from: number]>(true)
same<ReturnType<typeof ref.with>, ActorRef<Account>>(true)

// Own public methods, nothing else.
same<keyof ActorRef<Account>, 'deposit' | 'history' | 'twice' | 'nothing' | 'rate' | 'either' | 'anything' | 'always' | 'tree' | 'watch' | 'useContext' | 'with' | 'manage'>(true)
// @ts-expect-error a field is no method
void ref.balance
// @ts-expect-error the context is the actor's own
void ref.ctx
// @ts-expect-error not callable from outside
void ref._interest
// @ts-expect-error a hook
void ref.onActivate
// @ts-expect-error private
void ref.secret
// @ts-expect-error an accessor
void ref.accessor
// @ts-expect-error unknown
void ref.withdraw
// @ts-expect-error wrong argument
void ref.deposit('5')
// @ts-expect-error missing argument
void ref.deposit()
// @ts-expect-error too many arguments
void ref.deposit(1, 'x', 2)
// @ts-expect-error there is no such option
ref.with({ timeOut: '2s' })
// @ts-expect-error references do not change
ref.deposit = async () => 1
ref.with({ timeout: '2s', signal: AbortSignal.abort(), idempotencyKey: 'order-1' }).deposit(5).then(n => n.toFixed())
// @ts-expect-error a key is a string
ref.with({ idempotencyKey: 5 })

// Management is the same for every reference.
same<typeof ref.manage, ActorManagement>(true)
export async function managed() {
  const { reminders, sends } = ref.manage
  await reminders.set('r', { every: '1h', tz: 'Europe/Berlin', missed: 'all', retry: { attempts: 3 } }, 'deposit', 5)
  const info = await reminders.get('r')
  same<typeof info, ReminderInfo | undefined>(true)
  same<Awaited<ReturnType<typeof sends.list>>, SendInfo[]>(true)
  // @ts-expect-error there is no such schedule
  await reminders.set('r', { each: '1h' })
  // @ts-expect-error no method of management
  await sends.set('r')
}

// Method options name methods that exist.
const good = { deposit: { readonly: true } } satisfies MethodOptions<Account>
void good
// @ts-expect-error no such method
const unknownMethod = { withdraw: { readonly: true } } satisfies MethodOptions<Account>
void unknownMethod
// @ts-expect-error a field is no method
const field = { balance: { readonly: true } } satisfies MethodOptions<Account>
void field
// @ts-expect-error no such option
const unknownOption = { deposit: { readOnly: true } } satisfies MethodOptions<Account>
void unknownOption
// @ts-expect-error no such option
const badOptions: ActorOptions = { idle: '5m' }
void badOptions
// @ts-expect-error one of two words
const badReentrancy: ActorOptions = { reentrancy: 'always' }
void badReentrancy

// Hosts and clients.
export async function fromOutside() {
  const host = await createHost({ actors: [Account] })
  const byClass = host.actor(Account, 'alice')
  same<typeof byClass, ActorRef<Account>>(true)
  const byName = host.actor('Account', 'alice')
  same<typeof byName, UntypedRef>(true)
  const typed = host.actor<Account>('Account', 'alice')
  same<typeof typed, ActorRef<Account>>(true)
  class Plain {}
  // @ts-expect-error no actor
  host.actor(Plain, 'x')
  // @ts-expect-error no actor
  await createHost({ actors: [Plain] })
  // @ts-expect-error no such option
  await createHost({ actors: [Account], storage: 'memory:' })

  const client = connect('http://127.0.0.1:3500')
  const remote = client.actor<RemoteAccount>('Account', 'alice')
  same<typeof remote, RemoteRef<RemoteAccount>>(true)
  same<ReturnType<typeof remote.deposit>, Promise<bigint>>(true)
  for await (const item of remote.watch()) same<typeof item, string>(true)
  // @ts-expect-error its argument is a bigint
  await remote.deposit(5)
  // @ts-expect-error unknown
  await remote.withdraw(5n)
  const anything = client.actor('Account', 'alice')
  same<typeof anything, UntypedRef>(true)
  same<typeof anything.manage, ActorManagement>(true)
  same<typeof remote.manage, ActorManagement>(true)
  const { reminders, cursor } = await client.reminders('Account', { dead: true, limit: 10 })
  same<typeof cursor, string | undefined>(true)
  same<(typeof reminders)[number]['id'], string>(true)
  same<Awaited<ReturnType<typeof client.sends>>['sends'][number]['from'], string>(true)
  // @ts-expect-error there is no such option
  await client.sends('Account', { first: 10 })
}

// Authors' errors.
class Insufficient extends ActorError<{ missing: number }> {
  static readonly code = 'INSUFFICIENT'
  static readonly status = 409
}
class Closed extends ActorError {}
void new Insufficient({ missing: 5 }, 'sorry')
void new Closed()
void new Closed(undefined, 'closed')
// @ts-expect-error data is needed
void new Insufficient()
// @ts-expect-error of the wrong type
void new Insufficient({ missing: 'x' })
// @ts-expect-error none is taken
void new Closed({ missing: 5 })
export function recognised(error: unknown): number | undefined {
  if (Insufficient.is(error)) {
    same<typeof error, Insufficient>(true)
    return error.data.missing
  }
  return undefined
}
