/**
 * Mutated hellos and frames against the peer port of a real host, over real connections: each must leave the host up, its link
 * either alive or closed, and its memory as it was.
 *
 * Several attackers at once, each a host id of its own with streams of its own. After every mutated frame an attacker asks the host
 * for its status: an answer proves that the link lives, the end of the stream that it was closed; neither within the time is a failure.
 */
import { Client, credentials, Metadata, type ClientDuplexStream } from '@grpc/grpc-js'
import { encode } from '../../core/codec.ts'
import { encodeChain } from '../../actors/call-chain.ts'
import { TroupeError } from '../../core/errors.ts'
import { kind, packError } from '../../runtime/dispatch/messages.ts'
import { PEER_METHOD } from '../../runtime/transport/grpc-wire.ts'
import { encodeDialHello } from '../../runtime/transport/hello.ts'
import { Mutations } from './fuzz-mutations.ts'

export interface FuzzTarget {
  readonly hostId: string
  /** HOST:PORT of its peer port. */
  readonly address: string
  /** An actor type that it runs, with a method `get`. */
  readonly type: string
}

export interface FuzzResult {
  readonly frames: number
  readonly closed: number
  readonly answered: number
}

const identity = (bytes: Buffer): Buffer => bytes
const ANSWER_MS = 15_000

/** What a sound host sends, of every kind. */
const soundFrames = ({ type }: FuzzTarget): unknown[][] => {
  const chain = encodeChain({ typeName: 'Other', id: 'x', turn: 7, depth: 1, parent: undefined })
  const messages: unknown[][] = [
    [kind.call, 1, type, 'a', 'get', [], 5000, null, 0],
    [kind.call, 2, type, 'b', 'get', [1, 'text', null, true, 2.5], 1000, chain, 0, 'a-key'],
    [kind.call, 3, type, 'c', 'get', encode([new Map([[1, 2n]]), new Date(0)], 'args'), 1000, null, 2, ['Sender/x', 4, 3]],
    [kind.call, 4, type, 'd', 'gold', [], 1000, null, 1], [kind.call, 5, type, 'e', 'reminders.list', [], 1000, null, 4, null, ['o', 'http', null, null]],
    [kind.result, 1, 42, 3], [kind.result, 2, encode({ a: [1] }, 'r'), 3], [kind.error, 3, packError(new TroupeError('MOVED', 'not here'))],
    [kind.error, 4, ['a', 'Poor', 'no money', 409, encode({ missing: 3 }, 'd')]], [kind.cancel, 1], [kind.stream, 6, 2], [kind.next, 1, 1], [kind.item, 6, 'x'], [kind.end, 6],
    [kind.ask, 8], [kind.status, 8, encode({ id: 'h' }, 's')],
  ]
  return [...messages.map(message => [1, [message]]), [1, messages]]
}

class Attacker {
  readonly #target: FuzzTarget
  readonly #client: Client
  readonly #id: string
  #dial = 0
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined
  #heard: (() => void) | undefined
  #over = true

  constructor(target: FuzzTarget, id: string) {
    this.#target = target
    this.#id = id
    this.#client = new Client(target.address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1, 'grpc.enable_http_proxy': 0 })
  }

  hello(): Buffer {
    return Buffer.from(encodeDialHello({ hostId: this.#id, incarnation: 'i', maxFrameBytes: 8 << 20, expected: this.#target.hostId, dial: ++this.#dial, lostDial: 0 }))
  }

  /** A new stream, on which `first` was said. */
  #open(first: Buffer): ClientDuplexStream<Buffer, Buffer> {
    const stream = this.#client.makeBidiStreamRequest(PEER_METHOD, identity, identity, new Metadata())
    this.#over = false
    const over = (): void => {
      if (this.#stream !== stream) return
      this.#over = true
      this.#heard?.()
    }
    stream.on('error', over).on('end', over).on('status', over).on('data', () => { if (this.#stream === stream) this.#heard?.() })
    this.#stream = stream
    stream.write(first)
    return stream
  }

  #hear(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.#id}: neither an answer nor an end within ${ANSWER_MS} ms after ${what}`)), ANSWER_MS)
      this.#heard = () => {
        clearTimeout(timer)
        this.#heard = undefined
        resolve()
      }
      if (this.#over) this.#heard()
    })
  }

  /** True when the link is still there. */
  async frame(bytes: Buffer, probe: Buffer): Promise<boolean> {
    if (this.#over) {
      this.#open(this.hello())
      await this.#hear('a hello')
      if (this.#over) throw new Error(`${this.#id}: a sound hello was refused`)
    }
    this.#stream!.write(bytes)
    this.#stream!.write(probe)
    await this.#hear(`frame ${bytes.toString('hex').slice(0, 400)}`)
    return !this.#over
  }

  /** True when the host took it for a hello. Either way the stream ends, or is ended here. */
  async greet(bytes: Buffer): Promise<boolean> {
    const stream = this.#open(bytes)
    stream.end()
    await this.#hear(`hello ${bytes.toString('hex').slice(0, 400)}`)
    const answered = !this.#over
    stream.cancel()
    this.#over = true
    return answered
  }

  close(): void {
    this.#stream?.cancel()
    this.#client.close()
  }
}

/** Whether the link lives on after a sound hello and one frame of these messages. */
export async function livesAfter(target: FuzzTarget, ...messages: unknown[][]): Promise<boolean> {
  const attacker = new Attacker(target, 'one-frame')
  try {
    return await attacker.frame(Buffer.from(encode([1, messages], 'frame')), PROBE)
  } finally {
    attacker.close()
  }
}

const PROBE = Buffer.from(encode([1, [[kind.ask, 1_000_000]]], 'frame'))

/** `frames` mutated frames, `hellos` mutated hellos. Rejects when one of them is answered by silence. */
export async function fuzzPeer(target: FuzzTarget, { seed, frames, hellos }: { seed: number; frames: number; hellos: number }): Promise<FuzzResult> {
  const sound = soundFrames(target)
  const seeds = sound.map(frame => Buffer.from(encode(frame, 'frame')))
  const attackers = Array.from({ length: 48 }, (_, i) => new Attacker(target, `attacker-${seed}-${i}`))
  let [closed, answered, framesLeft, hellosLeft] = [0, 0, frames, hellos]
  try {
    await Promise.all(attackers.map(async (attacker, i) => {
      const mutations = new Mutations(seed * 1000 + i)
      const greetings = [attacker.hello(), attacker.hello()]
      while (hellosLeft-- > 0) {
        if (await attacker.greet(mutations.next(greetings))) answered++
        else closed++
      }
      while (framesLeft-- > 0) {
        // Wrong bytes, or right bytes of what is wrong.
        const bytes = mutations.below(2) === 0 ? mutations.next(seeds) : Buffer.from(encode(mutations.twist(mutations.pick(sound)), 'frame'))
        if (await attacker.frame(bytes, PROBE)) answered++
        else closed++
      }
    }))
  } finally {
    for (const attacker of attackers) attacker.close()
  }
  return { frames: frames + hellos, closed, answered }
}
