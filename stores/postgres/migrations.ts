/**
 * What is in a cluster's schema, as a list of migrations that is only ever appended to. Hosts of two versions meet
 * during a rolling restart: a migration leaves everything in place that the version before it uses.
 *
 * Ids and names of types are compared by their bytes (`collate "C"`); names of entries are bytes, for they may hold
 * any character, also the one that `text` cannot (U+0000). Epochs are doubles, since they may have a fraction. All keys
 * fit into a page of an index (2,704 bytes): type 256, id 1,024, name 512.
 *
 * Everything that changes rows is a procedure that commits by itself (`procedures.ts`, `cluster-procedures.ts`).
 */
import { campaign, campaignDeposing, endLease, openLease, renewLease, resign, revokeLease, saveTable } from './cluster-procedures.ts'
import { claimShards, commitWrites } from './procedures.ts'

export interface Migration {
  readonly version: number
  /** Statements, separated by semicolons, for a schema whose quoted name is `s`. */
  readonly sql: (s: string) => string
}

/** Names what is migrated up to now; the first thing that exists in a schema. */
export const migrationsTable = (s: string): string => `
create table if not exists ${s}.migrations (
  version int primary key,
  applied_at timestamptz not null default clock_timestamp()
)`

export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: s => `
create table ${s}.claims (
  type text collate "C" not null,
  shard int not null,
  epoch float8 not null,
  nonce text collate "C" not null,
  primary key (type, shard)
) with (fillfactor = 50);

create table ${s}.heads (
  type text collate "C" not null,
  id text collate "C" not null,
  shard int not null,
  version bigint not null,
  epoch float8 not null,
  bytes bytea not null,
  primary key (type, id)
) with (fillfactor = 85);

create table ${s}.entries (
  type text collate "C" not null,
  id text collate "C" not null,
  name bytea not null,
  shard int not null,
  due bigint,
  value bytea not null,
  primary key (type, id, name)
) with (fillfactor = 85);
create index entries_due on ${s}.entries (type, shard, due, id, name) where due is not null;

create table ${s}.leader (
  one_row boolean primary key default true check (one_row),
  nonce text not null,
  address text not null,
  term bigint not null,
  ends timestamptz not null
) with (fillfactor = 50);
insert into ${s}.leader (nonce, address, term, ends) values ('', '', 0, '-infinity');

create table ${s}.placement_table (
  one_row boolean primary key default true check (one_row),
  term bigint not null,
  version bigint not null,
  bytes bytea not null
);
${claimShards(s)};
${commitWrites(s)};
${campaign(s)};
${resign(s)};
${saveTable(s)};
`,
  },
  {
    version: 2,
    sql: s => `
create table ${s}.leases (
  id text collate "C" primary key,
  ends timestamptz not null
) with (fillfactor = 50);
${campaignDeposing(s)};
${openLease(s)};
${renewLease(s)};
${revokeLease(s)};
${endLease(s)};
`,
  },
]

export const newestVersion = migrations.at(-1)!.version
