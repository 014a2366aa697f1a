/** Certificates for tests: a fresh authority in a temporary folder, gone when the test is. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { makeCerts, type CertsOptions } from '../../cli/make-certs.ts'
import { SystemClock } from '../../core/clock.ts'
import { silentLogger, type Logger } from '../../core/logger.ts'
import { TlsIdentity, type TlsFiles } from '../../core/tls-identity.ts'
import type { ClusterTls } from '../../placement/grpc-tls.ts'

export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'troupe-certs-'))
  readonly namespace: string

  private constructor(namespace: string) {
    this.namespace = namespace
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  static async make(options: Partial<CertsOptions> = {}): Promise<Certificates> {
    const made = new Certificates(options.namespace ?? 'default')
    await made.add(options)
    return made
  }

  async add(options: Partial<CertsOptions>): Promise<void> {
    await makeCerts({ folder: this.folder, namespace: this.namespace, hosts: ['a', 'b'], days: 1, authority: 'add', ...options })
  }

  /** `name`: `host-a`, `placement`, `client`; `ca`: the authority that is trusted, this one by default. */
  files(name: string, ca: Certificates = this): TlsFiles {
    return { ca: join(ca.folder, 'ca.crt'), cert: join(this.folder, `${name}.crt`), key: join(this.folder, `${name}.key`) }
  }

  tls(name: string, log: Logger = silentLogger): ClusterTls {
    return { identity: new TlsIdentity(this.files(name), { clock: new SystemClock(), log }), namespace: this.namespace }
  }
}
