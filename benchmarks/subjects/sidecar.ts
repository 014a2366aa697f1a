/** `troupe sidecar` as users start it, beside the least application, on ports that the system chose. */
import { TroupeProcess } from '../../examples/demo/troupe-process.ts'
import type { Child } from '../harness/child.ts'
import type { Clocked } from '../harness/cpu.ts'
import { processCpu } from '../harness/process-cpu.ts'
import type { Scope } from '../harness/scope.ts'
import type { DaprAppApi } from './dapr-app.ts'

export interface RunningSidecar {
  /** `http://HOST:PORT` */
  readonly http: string
  /** HOST:PORT */
  readonly grpc: string
  readonly appPort: number
  readonly app: Child<DaprAppApi>
  readonly cpu: Clocked
}

export async function startSidecar(scope: Scope, type: string): Promise<RunningSidecar> {
  const app = await scope.child<DaprAppApi>(new URL('dapr-app.ts', import.meta.url))
  const appPort = await app.ask('start', type, 0)
  const sidecar = new TroupeProcess('troupe sidecar', [
    'sidecar', '--app-id', 'bench', '--app-port', String(appPort), '--dapr-http-port', '0', '--dapr-grpc-port', '0',
    '--store', 'memory:', '--log-format', 'json', '--log-level', 'info',
  ])
  scope.defer(async () => {
    if (sidecar.running) await sidecar.stop().catch(() => sidecar.signal('SIGKILL'))
  })
  const { http, grpc } = await sidecar.ready()
  if (http === undefined || grpc === undefined) throw new Error('troupe sidecar says no addresses of its doors')
  return { http, grpc, appPort, app, cpu: processCpu([sidecar.child.pid!]) }
}
