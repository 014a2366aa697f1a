/** From a PostgreSQL URL to its stores. @throws BAD_OPTION when the URL is none */
import type { OpenStoreOptions, Stores } from '../stores.ts'
import { PostgresActorStore } from './actor-store.ts'
import { parsePostgresUrl } from './address.ts'
import { PostgresClusterStore } from './cluster-store.ts'
import { PostgresConnection } from './connection.ts'

export function open(url: string, { clock, log, namespace = '' }: OpenStoreOptions): Stores {
  const postgres = new PostgresConnection(parsePostgresUrl(url), namespace, clock, log === undefined ? {} : { log })
  return { actors: new PostgresActorStore(postgres, clock), cluster: new PostgresClusterStore(postgres) }
}
