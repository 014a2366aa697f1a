/** A state.redis component as a store URL. Limits of time and pools are Troupe's own; what would change the meaning is refused. */
import { messageOf } from '../../../core/errors.ts'
import { parseRedisUrl } from '../../../stores/redis/address.ts'
import { isTruthy, shown } from './field-reader.ts'
import type { Metadata } from './metadata.ts'

export function redisUrl(metadata: Metadata): string | undefined {
  refuseUnkeepable(metadata)
  const hosts = metadata.needed('redisHost')?.split(',').map(host => host.trim()).filter(host => host !== '')
  const user = metadata.text('redisUsername') ?? ''
  const password = metadata.text('redisPassword') ?? ''
  const type = (metadata.text('redisType') || 'node').toLowerCase()
  const database = metadata.text('redisDB') || '0'
  const clustered = type === 'cluster'
  if (type !== 'node' && type !== 'cluster') return metadata.refuse('redisType', `${shown(type)} is neither node nor cluster`)
  if (!/^\d{1,9}$/.test(database)) return metadata.refuse('redisDB', 'is the number of a database: 0 and up')
  if (hosts === undefined) return undefined
  if (hosts.length === 0 || hosts.some(host => /[@/\\?#]/.test(host))) return metadata.refuse('redisHost', 'is HOST:PORT, or several separated by commas; user and password have fields of their own')
  if (hosts.length > 1 && !clustered) return metadata.refuse('redisHost', "names several hosts; add redisType: cluster if they are a Redis Cluster, or name the one that takes writes")
  if (clustered && database !== '0') return metadata.refuse('redisDB', 'a Redis Cluster has only database 0; leave it out')
  const scheme = `${isTruthy(metadata.text('enableTLS')) ? 'rediss' : 'redis'}${clustered ? '+cluster' : ''}`
  const credentials = user === '' && password === '' ? '' : `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`
  const url = `${scheme}://${credentials}${hosts.join(',')}${clustered || database === '0' ? '' : `/${Number(database)}`}`
  try {
    parseRedisUrl(url)
    return url
  } catch (error) {
    return metadata.refuse('redisHost', messageOf(error))
  }
}

function refuseUnkeepable(metadata: Metadata): void {
  if (isTruthy(metadata.text('failover'))) {
    metadata.refuse('failover', 'Troupe does not ask Sentinels; name the master in redisHost, or an address that leads to it, and leave failover out')
  }
  if (isTruthy(metadata.text('useEntraID'))) metadata.refuse('useEntraID', 'Troupe signs in with a user and a password alone; give redisUsername and redisPassword')
  for (const name of ['clientCert', 'clientKey']) {
    if (metadata.text(name)) metadata.refuse(name, 'Troupe shows no certificate to Redis; use a user and a password')
  }
  const ttl = metadata.text('ttlInSeconds')
  if (ttl !== undefined && !/^(?:|-\d+|0+)$/.test(ttl)) metadata.refuse('ttlInSeconds', 'state does not expire by itself in Troupe; set ttlInSeconds where it is written')
}
