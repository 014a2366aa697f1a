/** PostgreSQL when it is down, dies, freezes, restarts or closes connections. */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { endProcess, startProcess } from '../servers/processes.ts'
import { claim, eventually, PostgresPlace, write } from './postgres-place.ts'

const place = new PostgresPlace()

test('down at the start: fails in time, with the reason and the remedy, and can be opened later', async () => {
  await place.server.kill()
  const connection = place.connection(place.server.url, { openTimeoutMs: 500 })
  const began = performance.now()
  const error = await connection.open().catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/ECONNREFUSED.*start the server/) })
  expect(performance.now() - began).toBeLessThan(5_000)
  expect(String(error)).not.toContain('hush')
  // A name with several addresses.
  const byName = place.connection(place.server.url.replace('127.0.0.1', 'localhost'), { openTimeoutMs: 200 })
  await expect(byName.open()).rejects.toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) })
  await place.server.restart()
  await connection.open()
  await connection.close()
})

test('one that comes up while opening is waited for', async () => {
  await place.server.kill()
  const opening = place.store()
  await place.server.restart()
  expect(await (await opening).load([write(1, 0)])).toEqual([undefined])
})

test('killed in the middle: what is not sent is not unknown, loads fail, and after a restart all goes on by itself', async () => {
  const store = await place.store()
  await store.claim([claim(1)])
  expect(await store.commit([write(1, 0)])).toEqual(['ok'])
  await place.server.kill()
  const began = performance.now()
  // Its connection may not be known to be gone yet.
  expect(['unknown', 'unavailable']).toContain((await store.commit([write(1, 1), write(1, 0, 'b')]))[0])
  expect(await store.commit([write(1, 1), write(1, 0, 'b')])).toEqual(['unavailable', 'unavailable'])
  await expect(store.load([write(1, 0)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.loadEntries([{ actor: write(1, 0), names: ['x'] }])[0]).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await expect(store.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(performance.now() - began).toBeLessThan(2_000)
  await place.server.restart()
  expect(await eventually(() => store.load([write(1, 0), write(1, 0, 'b')]))).toMatchObject([{ version: 1 }, undefined])
  expect(await store.commit([write(1, 1)])).toEqual(['ok'])
})

test('restarted under load: what was acknowledged is there, and what is unknown is there once or not at all', async () => {
  const store = await place.store()
  await store.claim([claim(1)])
  let acknowledged = 0
  let restarted = false
  let restart: Promise<void> | undefined
  while (!restarted || acknowledged < 60) {
    const [result] = await store.commit([write(1, acknowledged)])
    if (result === 'ok') acknowledged++
    else {
      expect(['unknown', 'unavailable']).toContain(result)
      const [found] = await eventually(() => store.load([write(1, 0)]))
      const version = found?.version ?? 0
      expect(result === 'unknown' ? [acknowledged, acknowledged + 1] : [acknowledged]).toContain(version)
      acknowledged = version
    }
    if (acknowledged === 30) restart ??= place.server.restart().then(() => { restarted = true })
  }
  await restart
  expect(await store.load([write(1, 0)])).toMatchObject([{ version: acknowledged }])
})

test('frozen: everything ends within the time limit, and goes on after', async () => {
  const store = await place.store(undefined, 400)
  await store.claim([claim(1)])
  place.server.freeze()
  const began = performance.now()
  const [results, load] = await Promise.all([store.commit([write(1, 0)]), store.load([write(1, 0)]).catch((error: unknown) => error)])
  expect(results).toEqual(['unknown'])
  expect(load).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(performance.now() - began).toBeLessThan(2_000)
  place.server.thaw()
  await eventually(() => store.claim([claim(2)]))
  const version = (await store.load([write(1, 0)]))[0]?.version ?? 0
  expect(await store.commit([write(1, version)])).toEqual(['fenced'])
  expect(await store.commit([write(2, version)])).toEqual(['ok'])
})

test('a frozen one cannot be opened, in time', async () => {
  place.server.freeze()
  const connection = place.connection(place.server.url, { openTimeoutMs: 500 })
  const began = performance.now()
  await expect(connection.open()).rejects.toMatchObject({ code: 'STORE_OPEN_FAILED', message: expect.stringMatching(/timeout/) })
  expect(performance.now() - began).toBeLessThan(4_000)
  place.server.thaw()
})

test('a frozen one does not keep a store from closing', async () => {
  const store = await place.store(undefined, 400)
  await store.load([write(1, 0)])
  place.server.freeze()
  const began = performance.now()
  const load = store.load([write(1, 0)]).catch(() => undefined)
  await store.close()
  await load
  expect(performance.now() - began).toBeLessThan(3_000)
  place.server.thaw()
})

test('a frozen one does not keep a process up that has closed its store', async () => {
  const program = `
    import { openStores } from ${JSON.stringify(fileURLToPath(new URL('../../stores/open-store.ts', import.meta.url)))}
    import { SystemClock } from ${JSON.stringify(fileURLToPath(new URL('../../core/clock.ts', import.meta.url)))}
    const { actors } = openStores(process.argv[1], { clock: new SystemClock(), namespace: ${JSON.stringify(place.namespace)} })
    await actors.open()
    await Promise.all([1, 2, 3].map(() => actors.load([{ type: 'T', shard: 1, id: 'a' }])))
    process.stdin.once('data', async () => {
      process.stdin.destroy()
      await actors.close()
    })
    console.log('opened')`
  const child = await startProcess(process.execPath, ['--input-type=module', '-e', program, place.server.url], /opened/)
  onTestFinished(() => endProcess(child))
  place.server.freeze()
  const began = performance.now()
  child.stdin!.write('close\n')
  expect(await once(child, 'exit')).toEqual([0, null])
  expect(performance.now() - began).toBeLessThan(4_000)
  place.server.thaw()
})

test('a backend that is frozen in the middle of a commit: its lock keeps nobody waiting for longer than the limit, and nothing is lost', async () => {
  const [old, next] = [await place.store(undefined, 600), await place.store(undefined, 600)]
  await old.claim([claim(1)])
  await old.commit([write(1, 0)])
  const release = await place.holdHead()
  const commit = old.commit([write(1, 1)])
  const [pid] = await place.waiting('commit_writes')
  process.kill(pid!, 'SIGSTOP')
  onTestFinished(() => { try { process.kill(pid!, 'SIGCONT') } catch { /* it has ended */ } })
  const began = performance.now()
  // Nobody answers for the first; the second waits for its lock, and is told that nothing happened.
  expect(await commit).toEqual(['unknown'])
  await expect(next.claim([claim(2)])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', executed: 'no', message: expect.stringMatching(/lock timeout/) })
  expect(performance.now() - began).toBeLessThan(2_000)
  process.kill(pid!, 'SIGCONT')
  await release()
  expect(await eventually(() => next.claim([claim(2)]))).toEqual([{ outcome: 'ok' }])
  const version = (await next.load([write(1, 0)]))[0]!.version
  expect([1, 2]).toContain(version)
  expect(await old.commit([write(1, version)])).toEqual(['fenced'])
  expect(await next.commit([write(2, version)])).toEqual(['ok'])
})

test('connections that nobody uses are lost: no harm, and new ones are made', async () => {
  const store = await place.store()
  await Promise.all(Array.from({ length: 5 }, () => store.load([write(1, 0)])))
  const ended = await place.server.sql('select pg_terminate_backend(pid) from pg_stat_activity where application_name = \'troupe\'')
  expect(ended.length).toBeGreaterThan(0)
  expect(await eventually(() => store.load([write(1, 0)]))).toEqual([undefined])
})

test('a process has no more connections than its pool', async () => {
  const store = await place.store(`${place.server.url}?pool=2&application_name=bounded`)
  const loads = Promise.all(Array.from({ length: 50 }, () => store.load([write(1, 0)])))
  await loads
  expect(await place.server.sql('select count(*)::int as n from pg_stat_activity where application_name = \'bounded\'')).toEqual([{ n: 2 }])
})
