/**
 * JsCounter, an actor on the official SDK of JavaScript, and a client that calls actors of any type through it.
 *
 * Asked over standard input, a JSON line a call: {"n":1,"type":"PyCounter","id":"a","method":"increment","args":[5],"via":"http"}.
 * Answers on standard output: @@{"n":1,"result":5} or @@{"n":1,"error":"…"}; @@{"ready":true} when it serves. Ends with its input.
 */
import { createInterface } from 'node:readline'
import dapr from '@dapr/dapr'

const { AbstractActor, ActorId, ActorProxyBuilder, CommunicationProtocolEnum, DaprClient, DaprServer, LogLevel, Temporal } = dapr

const tell = message => process.stdout.write(`@@${JSON.stringify(message)}\n`)
const soon = Temporal.Duration.from({ milliseconds: 300 })

/** The SDK takes the type from the name of the class. A proxy must not be the result of an async function: it answers to `then`. */
const proxyOf = (client, type, id) => new ActorProxyBuilder({ [type]: class {} }[type], client).build(new ActorId(id))

class JsCounter extends AbstractActor {
  async #read(name, otherwise) {
    const [exists, value] = await this.getStateManager().tryGetState(name)
    return exists ? value : otherwise
  }

  async #add(name, by) {
    const value = await this.#read(name, 0) + by
    await this.getStateManager().setState(name, value)
    return value
  }

  increment(by) {
    return this.#add('value', by)
  }

  get() {
    return this.#read('value', 0)
  }

  fail() {
    throw new Error('boom')
  }

  async startTimer() {
    await this.registerActorTimer('tick', 'onTick', soon, soon, undefined, 3)
    return true
  }

  async onTick(by) {
    await this.#add('ticked', by)
  }

  ticked() {
    return this.#read('ticked', 0)
  }

  async stopTimer() {
    await this.unregisterActorTimer('tick')
    return true
  }

  async startReminder() {
    await this.registerActorReminder('wake', soon, soon, undefined, 'payload')
    return true
  }

  async receiveReminder(data) {
    await this.getStateManager().setState('payload', String(data))
    await this.#add('reminded', 1)
  }

  reminded() {
    return this.#read('reminded', 0)
  }

  payload() {
    return this.#read('payload', '')
  }

  async stopReminder() {
    await this.unregisterActorReminder('wake')
    return true
  }

  relay(type, id, method, by) {
    return proxyOf(this.getDaprClient(), type, id)[method](by)
  }
}

const logger = { level: LogLevel.Warn }
const server = new DaprServer({
  serverHost: '127.0.0.1', serverPort: process.env.APP_PORT, communicationProtocol: CommunicationProtocolEnum.HTTP, logger,
  clientOptions: { daprHost: '127.0.0.1', daprPort: process.env.DAPR_HTTP_PORT, communicationProtocol: CommunicationProtocolEnum.HTTP, logger },
})
await server.actor.registerActor(JsCounter)
await server.actor.init()
await server.start()

const clients = {
  http: server.client,
  grpc: new DaprClient({ daprHost: '127.0.0.1', daprPort: process.env.DAPR_GRPC_PORT, communicationProtocol: CommunicationProtocolEnum.GRPC, logger }),
}

createInterface({ input: process.stdin }).on('line', async line => {
  const { n, type, id, method, args, via = 'http' } = JSON.parse(line)
  try {
    tell({ n, result: await proxyOf(clients[via], type, id)[method](...args) })
  } catch (error) {
    tell({ n, error: error.message })
  }
}).on('close', () => process.exit(0))
tell({ ready: true })
