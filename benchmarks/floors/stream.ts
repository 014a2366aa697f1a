/**
 * The bare floor beside calls between two hosts: one gRPC stream between two processes that carries msgpackr frames.
 *
 * A call is `[callId, number]` there and back, all of a tick in one frame; `inFlight` callers each await their reply, found
 * by its id, before they call again. Nothing else: no routing, no deadlines, no checks, no bounds. The echo server is a
 * process of its own, started and stopped by the measurement.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Client, credentials, Metadata, Server, ServerCredentials, type ClientDuplexStream, type ServerDuplexStream } from '@grpc/grpc-js'
import { Packr } from 'msgpackr'

type Call = [callId: number, value: number]
type Stream = ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>

const METHOD = '/troupe.floor.Stream/Echo'
const WARM_UP_MS = 500
const identity = (bytes: Buffer): Buffer => bytes

/** What a tick sent, in one frame at its end. */
function batched(stream: Stream, packr: Packr): (call: Call) => void {
  let pending: Call[] = []
  return call => {
    if (pending.push(call) > 1) return
    setImmediate(() => {
      stream.write(packr.pack(pending))
      pending = []
    })
  }
}

/** Calls answered per second with `inFlight` of them on their way at any time, over `seconds` after a warm-up. */
export async function measureBareStream(inFlight: number, seconds: number): Promise<number> {
  const server = fork(fileURLToPath(import.meta.url), ['echo'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  try {
    const port = await new Promise<number>((resolve, reject) => {
      server.once('message', message => resolve(message as number))
      server.once('exit', code => reject(new Error(`the echo server ended with ${code}`)))
    })
    return await measureAgainst(port, inFlight, seconds)
  } finally {
    server.kill()
  }
}

async function measureAgainst(port: number, inFlight: number, seconds: number): Promise<number> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const stream = client.makeBidiStreamRequest(METHOD, identity, identity, new Metadata())
  const packr = new Packr({ useRecords: false })
  const send = batched(stream, packr)
  const waiting = new Map<number, (value: number) => void>()
  let answered = 0
  let nextId = 0
  let stopped = false
  let failed: (error: Error) => void = () => {}
  stream.on('error', error => failed(error))
  stream.on('data', (bytes: Buffer) => {
    for (const [id, value] of packr.unpack(bytes) as Call[]) {
      waiting.get(id)!(value)
      waiting.delete(id)
    }
  })
  const call = (value: number): Promise<number> => new Promise(resolve => {
    const id = nextId++
    waiting.set(id, resolve)
    send([id, value])
  })
  const caller = async (): Promise<void> => {
    while (!stopped) {
      await call(answered)
      answered++
    }
  }
  const after = (ms: number): Promise<void> => new Promise((resolve, reject) => {
    failed = reject
    setTimeout(resolve, ms)
  })
  try {
    for (let i = 0; i < inFlight; i++) void caller()
    await after(WARM_UP_MS)
    const [before, start] = [answered, performance.now()]
    await after(seconds * 1000)
    return (answered - before) / ((performance.now() - start) / 1000)
  } finally {
    stopped = true
    failed = () => {}
    stream.cancel()
    client.close()
  }
}

function serveEcho(): void {
  const server = new Server()
  const echo = (stream: ServerDuplexStream<Buffer, Buffer>): void => {
    const packr = new Packr({ useRecords: false })
    const send = batched(stream, packr)
    stream.on('data', (bytes: Buffer) => {
      for (const call of packr.unpack(bytes) as Call[]) send(call)
    })
    stream.on('error', () => {})
  }
  const service = { Echo: { path: METHOD, requestStream: true, responseStream: true, requestSerialize: identity, requestDeserialize: identity, responseSerialize: identity, responseDeserialize: identity } }
  server.addService(service, { Echo: echo })
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error
    process.send!(port)
  })
  process.on('disconnect', () => process.exit(0))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'echo') serveEcho()
  else for (const inFlight of [16, 64, 256]) console.log(inFlight, Math.round(await measureBareStream(inFlight, 2)), 'calls/s')
}
