/**
 * The procedures that change rows: each is one round trip and one transaction.
 *
 * Why the fence holds (P4). A write first locks the claim rows of its shards, `for no key update`: writers of a shard
 * and those who claim it stand in one line, and the lock is kept until the commit. What comes then is a statement of
 * its own, which under READ COMMITTED sees everything that was committed when the lock was given. So a writer that had
 * to wait for a claim sees the new epoch and is fenced; a claim that had to wait for a writer is answered when that
 * write is durable. Inside one single statement the same thing is unsafe: after a wait PostgreSQL looks again at the
 * locked row only, while all the rest, sub-selects included, stays as it was when the statement began. (`for key share`
 * would not even wait: a claim changes no key. `for share` would, but lets two writers of one shard overlap.)
 * Claim rows are locked in the order of their key everywhere, so nobody waits in a circle.
 *
 * Why procedures, and why they commit by themselves: a statement of the extended protocol is committed when the client's
 * Sync arrives. A host that freezes, or is cut off, between the two would keep its locks, and nobody could claim its
 * shards. Here the locks are gone before the answer is sent.
 *
 * `s` is the quoted name of the schema. A procedure that a released version calls is never changed: it gets a successor.
 */

/** Raises claims, one after another. Out, one a claim: null where it holds now, else what refused it. */
export const claimShards = (s: string): string => `
create procedure ${s}.claim_shards(
  types text[], shards int[], epochs float8[], nonces text[],
  inout refused_epochs float8[], inout refused_nonces text[]
) language plpgsql as $$
declare
  mine record;
  held record;
begin
  refused_epochs := array_fill(null::float8, array[cardinality(types)]);
  refused_nonces := array_fill(null::text, array[cardinality(types)]);
  for mine in
    select c.* from unnest(types, shards, epochs, nonces) with ordinality c(type, shard, epoch, nonce, n)
    order by c.type collate "C", c.shard, c.n
  loop
    insert into ${s}.claims as c (type, shard, epoch, nonce) values (mine.type, mine.shard, mine.epoch, mine.nonce)
    on conflict (type, shard) do update set epoch = excluded.epoch, nonce = excluded.nonce where c.epoch < excluded.epoch;
    if not found then
      select c.epoch, c.nonce into strict held from ${s}.claims c where c.type = mine.type and c.shard = mine.shard;
      if held.epoch <> mine.epoch or held.nonce <> mine.nonce then
        refused_epochs[mine.n] := held.epoch;
        refused_nonces[mine.n] := held.nonce;
      end if;
    end if;
  end loop;
  commit;
end $$`

/**
 * Writes of any number of shards; each write is applied whole or not at all.
 *
 * In: the claims (type, shard, epoch, nonce); the writes (number of its claim, id, version before, place and length of
 * the new head in `data`, both null without a head); the entries (number of its write, place and length of name and of
 * value in `data`, those of the value null to remove, due time or null). Numbers and places count from 1.
 * Out: one letter a write: o(k), d(uplicate), f(enced), c(onflict).
 */
export const commitWrites = (s: string): string => `
create procedure ${s}.commit_writes(
  claim_types text[], claim_shards int[], claim_epochs float8[], claim_nonces text[],
  write_claims int[], write_ids text[], write_previous bigint[], head_places int[], head_lengths int[],
  entry_writes int[], name_places int[], name_lengths int[], value_places int[], value_lengths int[], entry_dues bigint[],
  data bytea, inout results text
) language plpgsql as $$
declare
  held boolean[];
  letters "char"[];
begin
  perform from unnest(claim_types, claim_shards) m(type, shard) join ${s}.claims c on c.type = m.type and c.shard = m.shard
    order by c.type, c.shard for no key update of c;

  select array_agg(coalesce(c.epoch = m.epoch and c.nonce = m.nonce, false) order by m.n) into held
    from unnest(claim_types, claim_shards, claim_epochs, claim_nonces) with ordinality m(type, shard, epoch, nonce, n)
    left join ${s}.claims c on c.type = m.type and c.shard = m.shard;

  select array_agg(case
      when not held[w.claim] then 'f'
      when w.head is null or w.previous = coalesce(h.version, 0) then 'o'
      when w.previous + 1 = h.version and h.epoch = claim_epochs[w.claim] then 'd'
      else 'c'
    end::"char" order by w.n) into letters
    from unnest(write_claims, write_ids, write_previous, head_places) with ordinality w(claim, id, previous, head, n)
    left join ${s}.heads h on w.head is not null and h.type = claim_types[w.claim] and h.id = w.id;

  if 'o' = any(letters) then
    update ${s}.heads h
      set version = w.previous + 1, epoch = claim_epochs[w.claim], bytes = substr(data, w.head, w.length)
      from unnest(write_claims, write_ids, write_previous, head_places, head_lengths) with ordinality w(claim, id, previous, head, length, n)
      where letters[w.n] = 'o' and w.head is not null and w.previous > 0 and h.type = claim_types[w.claim] and h.id = w.id;

    insert into ${s}.heads (type, id, shard, version, epoch, bytes)
      select claim_types[w.claim], w.id, claim_shards[w.claim], 1, claim_epochs[w.claim], substr(data, w.head, w.length)
      from unnest(write_claims, write_ids, write_previous, head_places, head_lengths) with ordinality w(claim, id, previous, head, length, n)
      where letters[w.n] = 'o' and w.head is not null and w.previous = 0;

    if cardinality(entry_writes) > 0 then
      delete from ${s}.entries e
        using unnest(entry_writes, name_places, name_lengths, value_places) c(write, name, name_length, value)
        where c.value is null and letters[c.write] = 'o'
          and e.type = claim_types[write_claims[c.write]] and e.id = write_ids[c.write] and e.name = substr(data, c.name, c.name_length);

      insert into ${s}.entries as e (type, id, name, shard, due, value)
        select claim_types[write_claims[c.write]], write_ids[c.write], substr(data, c.name, c.name_length),
          claim_shards[write_claims[c.write]], c.due, substr(data, c.value, c.value_length)
        from unnest(entry_writes, name_places, name_lengths, value_places, value_lengths, entry_dues)
          c(write, name, name_length, value, value_length, due)
        where c.value is not null and letters[c.write] = 'o'
        on conflict (type, id, name) do update set due = excluded.due, value = excluded.value;
    end if;
  end if;
  results := array_to_string(letters, '');
  commit;
end $$`
