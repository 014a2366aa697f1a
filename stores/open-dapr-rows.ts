/** From a URL to the reader of what Dapr has written there. What it returns is not open yet. */
import { TroupeError } from '../core/errors.ts'
import type { DaprRows } from './dapr-rows.ts'
import { PostgresDaprRows } from './postgres/dapr-rows.ts'
import { withoutSecrets } from './redis/address.ts'
import { RedisDaprRows } from './redis/dapr-rows.ts'
import { SqliteDaprRows } from './sqlite/dapr-rows.ts'
import { schemeOf } from './stores.ts'

/** `table`: of the SQL stores. @throws BAD_OPTION */
export function openDaprRows(url: string, table: string): DaprRows {
  switch (schemeOf(url)) {
    case 'redis': case 'rediss': case 'redis+cluster': return new RedisDaprRows(url)
    case 'postgres': case 'postgresql': return new PostgresDaprRows(url, table)
    case 'sqlite': return new SqliteDaprRows(url, table)
    default:
      throw new TroupeError('BAD_OPTION', `${JSON.stringify(withoutSecrets(url).replace(/\?.*/s, '?…'))} is no store of Dapr that can be read; `
        + 'use redis://HOST:PORT, rediss://…, redis+cluster://…, postgres://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:PATH')
  }
}
