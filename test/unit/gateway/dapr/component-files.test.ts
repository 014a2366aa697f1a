// Files as users have them, and what becomes of them.
import { expect, test } from 'vitest'
import { folderOf, logged, problemsOf, read, storeFile } from './resource-folder.ts'
import { readResources } from '../../../../gateway/dapr/resources.ts'

const redis = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.redis
  version: v1
  metadata:
  - name: redisHost
    value: localhost:6379
  - name: redisPassword
    value: ""
  - name: actorStateStore
    value: "true"
`
const pubsub = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: pubsub
spec:
  type: pubsub.redis
  version: v1
  metadata:
  - name: redisHost
    value: localhost:6379
  - name: redisPassword
    secretKeyRef: {name: nowhere, key: nowhere}
`

test('the folder that comes with an installation: a store for actors and a message broker', () => {
  const { storeUrl, storeName, components, warnings, enabledFeatures, resiliency } = read({ 'components/statestore.yaml': redis, 'components/pubsub.yaml': pubsub })
  expect({ storeUrl, storeName }).toEqual({ storeUrl: 'redis://localhost:6379', storeName: 'statestore' })
  expect(components).toEqual([
    { name: 'pubsub', type: 'pubsub.redis', version: 'v1', capabilities: [] },
    { name: 'statestore', type: 'state.redis', version: 'v1', capabilities: ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'] },
  ])
  expect(warnings).toEqual(['component pubsub (pubsub.redis) is shown in the metadata and otherwise passed over: Troupe runs actors alone'])
  expect([enabledFeatures, resiliency]).toEqual([[], { types: new Map(), otherwise: undefined }])
})

test('PostgreSQL, version 2, with words', () => {
  const { storeUrl, warnings } = read({
    'components/postgres.yml': `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.postgresql
  # Note: setting "version" to "v2" is required to use the v2 of the component
  version: v2
  metadata:
    # Connection string
    - name: connectionString
      value: "host=localhost user=postgres password=example port=5432 connect_timeout=10 database=my_db"
    # Timeout for database operations, as a Go duration or number of seconds (optional)
    - name: timeout
      value: 20
    - name: tablePrefix
      value: "x_"
    - name: cleanupInterval
      value: "1h"
    - name: maxConns
      value: 12
    - name: actorStateStore
      value: true
`,
  })
  expect([storeUrl, warnings]).toEqual(['postgres://postgres:example@localhost:5432/my_db?pool=12', []])
})

test('SQLite lies beside its file, in memory is in memory', () => {
  const url = (type: string, metadata = {}): string | undefined => read(storeFile(type, metadata)).storeUrl
  expect(url('state.sqlite', { connectionString: 'data.db' })).toBe('lmdb:data.db.troupe')
  expect(url('state.sqlite', { connectionString: 'file:/var/lib/my%20app/data.db?cache=shared', timeoutInSeconds: '5' })).toBe('lmdb:/var/lib/my app/data.db.troupe')
  expect(url('state.sqlite', { connectionString: 'file:///data.db' })).toBe('lmdb:/data.db.troupe')
  for (const connectionString of [':memory:', 'file::memory:?cache=shared', 'file:x.db?mode=memory']) expect(url('state.sqlite', { connectionString })).toBe('memory:')
  expect(url('state.in-memory')).toBe('memory:')
  expect(problemsOf(storeFile('state.sqlite', {}))[0]).toMatch(/connectionString is missing/)
  expect(problemsOf(storeFile('state.sqlite', { connectionString: 'file:?x=1' }))[0]).toMatch(/names no file; write data\.db/)
})

test('without a marked component the caller has the choice', () => {
  const { storeUrl, storeName, components, warnings } = read({ 'components/statestore.yaml': redis.replace('"true"', '"false"') })
  expect([storeUrl, storeName, components.length]).toEqual([undefined, undefined, 1])
  expect(warnings[0]).toMatch(/^component statestore \(state\.redis\).*it is not marked actorStateStore/)
  expect(readResources({ paths: [], env: {}, cwd: '/', log: logged().log })).toMatchObject({ storeUrl: undefined, components: [] })
})

test('a mark is read as loosely as Dapr reads it', () => {
  for (const yes of ['"True"', 'true', 'yes', '"1"', 'on']) {
    expect(read({ 'components/a.yaml': redis.replace('actorStateStore', 'ActorStateStore').replace('"true"', yes) }).storeName).toBe('statestore')
  }
})

test('folders by comma and by repetition, several documents in a file, other kinds beside them', () => {
  const { log, debug } = logged()
  const other = redis.replace('name: statestore', 'name: other').replace('"true"', 'no')
  const cwd = folderOf({
    'a/all.YAML': `# nothing\n---\n${redis}---\n---\n${pubsub}---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: orders}\n`,
    'a/notes.txt': 'kind: [', 'a/deeper/x.yaml': 'kind: [', 'b/deployment.yaml': 'apiVersion: apps/v1\nkind: Deployment\nspec: {}\n---\n- 1\n---\njust text\n',
    'c/other.yml': other,
  })
  const { components } = readResources({ paths: ['a, b', 'c'], env: {}, cwd, log })
  expect(components.map(c => c.name)).toEqual(['statestore', 'pubsub', 'other'])
  expect(debug).toContain('resource Subscription orders is left out: Troupe does nothing with this kind')
})

test('other namespaces and other applications are left out', () => {
  const elsewhere = redis.replace('name: statestore', 'name: theirs\n  namespace: prod')
  expect(read({ 'components/a.yaml': elsewhere }, { namespace: 'dev' }).components).toEqual([])
  expect(read({ 'components/a.yaml': elsewhere }, { namespace: 'prod' }).storeName).toBe('theirs')
  expect(read({ 'components/a.yaml': elsewhere }).storeName).toBe('theirs')
  const scoped = `${redis}scopes:\n- cart\n- shop\n`
  expect(read({ 'components/a.yaml': scoped }, { appId: 'shop' }).storeName).toBe('statestore')
  expect(read({ 'components/a.yaml': scoped }, { appId: 'till' }).components).toEqual([])
  expect(read({ 'components/a.yaml': scoped }, { appId: undefined }).components).toEqual([])
})

test('two stores for actors, two of a name, a store without an adapter', () => {
  expect(problemsOf({ 'components/a.yaml': redis, 'components/b.yaml': redis.replace('name: statestore', 'name: second') })).toEqual([
    'components/b.yaml (Component second): spec.metadata[2]: second is marked actorStateStore, and so is statestore; an application has one store for its actors: leave the mark to one',
  ])
  expect(problemsOf({ 'components/a.yaml': redis, 'components/b.yaml': redis.replace('"true"', 'no') })[0]).toMatch(/b\.yaml \(Component statestore\): metadata\.name: there is another component "statestore"/)
  expect(problemsOf(storeFile('state.mongodb', { host: 'h' }))).toEqual([
    'components/statestore.yaml (Component statestore): spec.type: Troupe keeps no actors in state.mongodb; there are state.redis, state.postgresql, state.postgres, state.sqlite, state.in-memory: use one of these, or remove actorStateStore and name a store with --store',
  ])
  expect(problemsOf(storeFile('state.redis', { redisHost: 'h' }, 'v3'))[0]).toMatch(/spec\.version: there is no version v3 of state\.redis; there is v1/)
})

test('all problems at once, each with file, document, field', () => {
  const problems = problemsOf({
    'components/a.yaml': `${redis.replace('localhost:6379', '"a:1,b:2"')}---\nkind: Component\nmetadata: {}\nspec: {type: x.y}\n---\nkind: Component\nmetadata: {name: z}\nspec:\n  metadata: {a: b}\nscopes: shop\n`,
    'components/b.yaml': 'kind: Component\nmetadata:\n  name: b\n bad: [hush\n',
    'components/c.yaml': `kind: Component\nmetadata: {name: c}\nspec:\n  type: x.y\n  metadata:\n  - value: 1\n  - name: [a]\n    value: 1\n  - name: p\n    value: 1\n  - name: P\n    value: 1\n`,
  }, { paths: ['components', 'gone', 'components/a.yaml'] })
  expect(problems).toEqual([
    'components/a.yaml, document 3 (Component z): scopes: must be a list, not a single value',
    expect.stringMatching(/^components\/b\.yaml: is no YAML at line \d, column \d \(\w+\); correct it there or just before$/),
    'resources path "gone": cannot be read: ENOENT; give a folder that exists',
    'resources path "components/a.yaml": is a file; give the folder that it lies in',
    'components/a.yaml, document 2 (Component): metadata.name: is missing; write it',
    'components/a.yaml, document 3 (Component z): spec.type: is missing; write it',
    'components/a.yaml, document 3 (Component z): spec.metadata: must be a list, not a mapping',
    'components/c.yaml (Component c): spec.metadata[0].name: is missing; write it',
    'components/c.yaml (Component c): spec.metadata[1].name: must be a single value, not a list',
    'components/c.yaml (Component c): spec.metadata[3].name: P is given twice; leave one out',
    "components/a.yaml, document 1 (Component statestore): spec.metadata[0]: redisHost: names several hosts; add redisType: cluster if they are a Redis Cluster, or name the one that takes writes",
  ])
})

test('what is no file for people', () => {
  const bomb = `kind: Component\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`
  expect(problemsOf({ 'components/bomb.yaml': bomb })[0]).toMatch(/repeats its aliases/)
  expect(problemsOf({ 'components/big.yaml': ' '.repeat(4 * 1024 * 1024 + 1) })[0]).toMatch(/larger than 4 MiB/)
  expect(read({ 'components/proto.yaml': 'kind: Component\nmetadata: {name: a}\n__proto__: {x: 1}\nspec: {type: a.b}\n' }).components.length).toBe(1)
})
