/**
 * The statements of the stores, for a schema whose quoted name is `s`. Versions, epochs and due times are whole numbers
 * up to 2^53 - 1 (epochs may have a fraction) and come as doubles, which pg gives as numbers.
 */
import type { Statement } from './connection.ts'

export interface ActorStatements extends Readonly<Record<'claim' | 'commit' | 'load' | 'loadEntries' | 'listEntries' | 'due' | 'list' | 'claims' | 'versions', Statement>> {}

export const actorStatements = (s: string): ActorStatements => ({
  claim: {
    name: 'troupe claim',
    text: `call ${s}.claim_shards($1::text[], $2::int[], $3::float8[], $4::text[], null, null)`,
  },
  commit: {
    name: 'troupe commit',
    text: `call ${s}.commit_writes(
      $1::text[], $2::int[], $3::float8[], $4::text[],
      $5::int[], $6::text[], $7::bigint[], $8::int[], $9::int[],
      $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::bigint[],
      $16::bytea, null)`,
  },
  load: {
    name: 'troupe load',
    text: `select a.n::int, h.version::float8, h.bytes
      from unnest($1::text[], $2::text[]) with ordinality a(type, id, n) join ${s}.heads h on h.type = a.type and h.id = a.id`,
  },
  loadEntries: {
    name: 'troupe load entries',
    text: `select r.n::int, e.value
      from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality r(type, id, name, n)
      join ${s}.entries e on e.type = r.type and e.id = r.id and e.name = r.name`,
  },
  listEntries: {
    name: 'troupe list entries',
    text: `select name, value from ${s}.entries where type = $1 and id = $2 and name >= $3::bytea and name < $4::bytea order by name limit $5::int`,
  },
  // A page and one row more; and after the page's time the first row's time alone.
  due: {
    name: 'troupe due',
    text: `select q.n::int, e.due::float8, e.id, e.name, e.value
      from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::int[])
        with ordinality q(type, shard, due, id, name, until, "limit", n)
      cross join lateral (
        (select due, id, name, value from ${s}.entries
          where type = q.type and shard = q.shard and (due, id, name) > (q.due, q.id, q.name) and due <= q.until
          order by due, id, name limit q."limit" + 1)
        union all
        (select due, null, null, null from ${s}.entries
          where type = q.type and shard = q.shard and (due, id, name) > (q.due, q.id, q.name) and due > q.until
          order by due, id, name limit 1)
      ) e
      order by q.n, e.due, e.id, e.name`,
  },
  list: {
    name: 'troupe list',
    text: `select id from ${s}.heads where type = $1 and id > $2 order by id limit $3::int`,
  },
  claims: {
    name: 'troupe claims',
    text: `select a.n::int, c.epoch, c.nonce
      from unnest($1::text[], $2::int[]) with ordinality a(type, shard, n) join ${s}.claims c on c.type = a.type and c.shard = a.shard`,
  },
  versions: {
    name: 'troupe versions',
    text: `select a.n::int, h.version::float8, h.epoch
      from unnest($1::text[], $2::text[]) with ordinality a(type, id, n) join ${s}.heads h on h.type = a.type and h.id = a.id`,
  },
})

export interface ClusterStatements extends Readonly<Record<
  'campaign' | 'resign' | 'loadTable' | 'saveTable' | 'openLease' | 'renewLease' | 'revokeLease' | 'endLease' | 'leases', Statement
>> {}

export const clusterStatements = (s: string): ClusterStatements => ({
  campaign: { name: 'troupe campaign', text: `call ${s}.campaign_deposing($1::text, $2::text, $3::float8, $4::text, null, null, null)` },
  resign: { name: 'troupe resign', text: `call ${s}.resign($1::text)` },
  loadTable: { name: 'troupe load table', text: `select term::float8, version::float8, bytes from ${s}.placement_table` },
  saveTable: { name: 'troupe save table', text: `call ${s}.save_table($1::bigint, $2::bigint, $3::bytea, null)` },
  openLease: { name: 'troupe open lease', text: `call ${s}.open_lease($1::text, $2::float8)` },
  renewLease: { name: 'troupe renew lease', text: `call ${s}.renew_lease($1::text, $2::float8, null, null, null, null, null)` },
  revokeLease: { name: 'troupe revoke lease', text: `call ${s}.revoke_lease($1::text, null)` },
  endLease: { name: 'troupe end lease', text: `call ${s}.end_lease($1::text)` },
  leases: { name: 'troupe leases', text: `select id, (extract(epoch from ends - clock_timestamp()) * 1000)::float8 from ${s}.leases` },
})
