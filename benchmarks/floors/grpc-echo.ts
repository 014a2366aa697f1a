/** A child process: a bare grpc-js server whose InvokeActor, with the product's own messages, answers with the request's data. */
import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js'
import { serveParent } from '../harness/serve-parent.ts'
import { daprService, type InvokeReply, type InvokeRequest } from '../load/dapr-service.ts'

const server = new Server()
server.addService(daprService(), {
  InvokeActor: (call: ServerUnaryCall<InvokeRequest, InvokeReply>, reply: sendUnaryData<InvokeReply>) => {
    reply(null, { data: call.request.data })
  },
})

const api = {
  /** HOST:PORT of the echo. */
  start: () => new Promise<string>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`)
      else reject(error)
    })
  }),
  stop: () => server.forceShutdown(),
}
export type GrpcEchoApi = typeof api

serveParent(api)
