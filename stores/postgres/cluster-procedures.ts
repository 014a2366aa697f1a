/**
 * The procedures of the cluster's rows; the rules are those of procedures.ts: each commits by itself, and one that a released
 * version calls gets a successor.
 *
 * A change of a row that waited for another's sees the row as that one left it, and its condition is looked at again: a
 * renewal that waited for a revocation finds no row, a revocation that waited for a renewal finds one that lasts.
 */

/** Takes or renews the leader's row; out: the row as it is then. */
export const campaign = (s: string): string => `
create procedure ${s}.campaign(
  candidate text, place text, ttl_ms float8,
  inout leader_nonce text, inout leader_address text, inout leader_term bigint
) language plpgsql as $$
declare
  instant timestamptz;
  ends timestamptz;
begin
  select l.nonce, l.address, l.term, l.ends into strict leader_nonce, leader_address, leader_term, ends
    from ${s}.leader l for no key update;
  -- Read when the lock is held: the transaction's own time is that before the wait.
  instant := clock_timestamp();
  if leader_nonce = candidate or leader_nonce = '' or ends <= instant then
    if leader_nonce <> candidate then leader_term := leader_term + 1; end if;
    leader_nonce := candidate;
    leader_address := place;
    update ${s}.leader l
      set nonce = candidate, address = place, term = leader_term, ends = instant + ttl_ms * interval '1 millisecond';
  end if;
  commit;
end $$`

export const resign = (s: string): string => `
create procedure ${s}.resign(leaving text) language plpgsql as $$
begin
  update ${s}.leader l set nonce = '', address = '', ends = '-infinity' where l.nonce = leaving;
  commit;
end $$`

/** Out: 'ok' or 'stale'. Saves stand in line with each other and with changes of leader at the leader's row. */
export const saveTable = (s: string): string => `
create procedure ${s}.save_table(new_term bigint, new_version bigint, new_bytes bytea, inout outcome text) language plpgsql as $$
declare
  leader_term bigint;
begin
  select l.term into strict leader_term from ${s}.leader l for no key update;
  outcome := 'stale';
  if new_term >= leader_term then
    insert into ${s}.placement_table as t (term, version, bytes) values (new_term, new_version, new_bytes)
    on conflict (one_row) do update set term = excluded.term, version = excluded.version, bytes = excluded.bytes
      where t.term <= excluded.term and t.version < excluded.version;
    if found then outcome := 'ok'; end if;
  end if;
  commit;
end $$`

/** As campaign; `deposed` is the nonce of a holder that counts as none. */
export const campaignDeposing = (s: string): string => `
create procedure ${s}.campaign_deposing(
  candidate text, place text, ttl_ms float8, deposed text,
  inout leader_nonce text, inout leader_address text, inout leader_term bigint
) language plpgsql as $$
declare
  instant timestamptz;
  ends timestamptz;
begin
  select l.nonce, l.address, l.term, l.ends into strict leader_nonce, leader_address, leader_term, ends
    from ${s}.leader l for no key update;
  instant := clock_timestamp();
  if leader_nonce in (candidate, '', deposed) or ends <= instant then
    if leader_nonce <> candidate then leader_term := leader_term + 1; end if;
    leader_nonce := candidate;
    leader_address := place;
    update ${s}.leader l
      set nonce = candidate, address = place, term = leader_term, ends = instant + ttl_ms * interval '1 millisecond';
  end if;
  commit;
end $$`

export const openLease = (s: string): string => `
create procedure ${s}.open_lease(lease text, ttl_ms float8) language plpgsql as $$
begin
  insert into ${s}.leases as l (id, ends) values (lease, clock_timestamp() + ttl_ms * interval '1 millisecond')
    on conflict (id) do update set ends = excluded.ends;
  commit;
end $$`

/** Out: whether it is held, version of the saved table, the leader's row or nulls. */
export const renewLease = (s: string): string => `
create procedure ${s}.renew_lease(
  lease text, ttl_ms float8,
  inout held boolean, inout table_version bigint, inout leader_nonce text, inout leader_address text, inout leader_term bigint
) language plpgsql as $$
begin
  update ${s}.leases l set ends = clock_timestamp() + ttl_ms * interval '1 millisecond' where l.id = lease;
  held := found;
  select t.version into table_version from ${s}.placement_table t;
  select l.nonce, l.address, l.term into leader_nonce, leader_address, leader_term
    from ${s}.leader l where l.nonce <> '' and l.ends > clock_timestamp();
  commit;
end $$`

/** Out: 'revoked' or 'held'. */
export const revokeLease = (s: string): string => `
create procedure ${s}.revoke_lease(lease text, inout outcome text) language plpgsql as $$
begin
  delete from ${s}.leases l where l.id = lease and l.ends <= clock_timestamp();
  outcome := case when exists (select from ${s}.leases l where l.id = lease) then 'held' else 'revoked' end;
  commit;
end $$`

export const endLease = (s: string): string => `
create procedure ${s}.end_lease(lease text) language plpgsql as $$
begin
  delete from ${s}.leases l where l.id = lease;
  commit;
end $$`
