// Secrets that a store's metadata refers to: found, missing, never shown.
import { expect, test } from 'vitest'
import { problemsOf, read, type Given } from './resource-folder.ts'

const store = (reference: string, secretStore = 'secrets'): string => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: statestore
spec:
  type: state.redis
  version: v1
  metadata:
  - name: redisHost
    value: redis:6379
  - name: redisPassword
    ${reference}
  - name: actorStateStore
    value: "true"
${secretStore === '' ? '' : `auth:\n  secretStore: ${secretStore}\n`}`

const secretStore = (type: string, metadata = ''): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: secrets\nspec:\n  type: ${type}\n  version: v1\n  metadata: [${metadata}]\n`
const ref = (name: string, key?: string): string => `secretKeyRef: {name: "${name}"${key === undefined ? '' : `, key: "${key}"`}}`
const file = (extra = ''): string => secretStore('secretstores.local.file', `{name: secretsFile, value: secrets/app.json}${extra}`)
const tree = JSON.stringify({ redisPassword: 'hush', redis: { password: 'hush:2', pin: 7, deep: { er: 'hush/3' } }, list: ['hush0', 'hush1'], empty: '' })

const urlOf = (reference: string, secrets: string, given: Given = {}): string | undefined => {
  const { storeUrl, warnings } = read({ 'components/a.yaml': store(reference), 'components/secrets.yaml': secrets, 'secrets/app.json': tree }, given)
  expect(warnings).toEqual([])
  return storeUrl
}

test('from the environment', () => {
  const env = { REDIS_PASSWORD: 'hush', APP_PW: 'other' }
  expect(urlOf(ref('REDIS_PASSWORD', 'REDIS_PASSWORD'), secretStore('secretstores.local.env'), { env })).toBe('redis://:hush@redis:6379')
  expect(urlOf(ref('REDIS_PASSWORD'), secretStore('secretstores.local.env'), { env })).toBe('redis://:hush@redis:6379')
  expect(urlOf(ref('PW'), secretStore('secretstores.local.env', '{name: prefix, value: APP_}'), { env })).toBe('redis://:other@redis:6379')
  expect(read({ 'components/a.yaml': store('envRef: APP_PW', '') }, { env }).storeUrl).toBe('redis://:other@redis:6379')
})

test('from a file: each leaf by its path, or each name with keys', () => {
  expect(urlOf(ref('redisPassword', 'redisPassword'), file())).toBe('redis://:hush@redis:6379')
  expect(urlOf(ref('redis:password'), file())).toBe('redis://:hush%3A2@redis:6379')
  expect(urlOf(ref('redis:deep:er'), file())).toBe('redis://:hush%2F3@redis:6379')
  expect(urlOf(ref('redis/pin'), file(', {name: nestedSeparator, value: /}'))).toBe('redis://:7@redis:6379')
  expect(urlOf(ref('list:1'), file())).toBe('redis://:hush1@redis:6379')
  const multi = file(', {name: multiValued, value: true}')
  expect(urlOf(ref('redis', 'password'), multi)).toBe('redis://:hush%3A2@redis:6379')
  expect(urlOf(ref('redis', 'deep:er'), multi)).toBe('redis://:hush%2F3@redis:6379')
  expect(urlOf(ref('redisPassword'), multi)).toBe('redis://:hush@redis:6379')
})

test('a value that is given comes first, and may hold the names of application and namespace', () => {
  expect(urlOf(`value: "{appID}-{namespace}"\n    ${ref('nowhere')}`, file(), { appId: 'shop', namespace: 'dev' })).toBe('redis://:shop-dev@redis:6379')
})

test.each([
  [ref('gone'), file(), /redisPassword|secretKeyRef: secret store "secrets" has no secret "gone"; add it there/],
  [ref('redis'), file(), /has no secret "redis"/],
  [ref('redis', 'gone'), file(', {name: multiValued, value: "true"}'), /has no key "gone" in its secret "redis"/],
  [ref('__proto__', 'toString'), file(', {name: multiValued, value: "true"}'), /has no secret "__proto__"/],
  [ref('empty'), file(), /has no secret "empty"/],
  [ref('HUSHED'), secretStore('secretstores.local.env'), /has no secret "HUSHED"/],
  [ref('DAPR_API_TOKEN'), secretStore('secretstores.local.env'), /has no secret "DAPR_API_TOKEN"/],
  ['envRef: HUSHED', file(), /envRef: the environment has no HUSHED; set it/],
  ['envRef: APP_API_TOKEN', file(), /APP_API_TOKEN is one of those that components may not read/],
  ['secretKeyRef: {key: x}', file(), /secretKeyRef\.name: is missing/],
  [ref('x'), secretStore('secretstores.hashicorp.vault'), /Component secrets\): spec\.type: Troupe reads no secrets from secretstores\.hashicorp\.vault; there are/],
  [ref('x'), secretStore('secretstores.local.file'), /there is no secretsFile/],
  [ref('x'), file().replace('app.json', 'gone.json'), /gone\.json cannot be read \(ENOENT\); a relative path is relative to the working directory/],
  [ref('x'), file().replace('app.json', 'broken.json'), /broken\.json is no JSON/],
  [ref('x'), file().replace('app.json', 'list.json'), /list\.json holds no JSON object/],
  [ref('x'), secretStore('secretstores.local.env').replace('name: secrets', 'name: others'), /auth\.secretStore: there is no secret store "secrets"/],
] as const)('%s, %#', (reference, secrets, message) => {
  const env = { DAPR_API_TOKEN: 'hush', APP_API_TOKEN: 'hush' }
  const problems = problemsOf({
    'components/a.yaml': store(reference), 'components/secrets.yaml': secrets, 'secrets/app.json': tree, 'secrets/broken.json': '{"a": hush', 'secrets/list.json': '["hush"]',
  }, { env })
  expect(problems.join('\n')).toMatch(message)
  expect(problems.length).toBe(1)
  expect(problems.join('\n')).not.toMatch(/hush/)
})

test('a reference without a secret store', () => {
  expect(problemsOf({ 'components/a.yaml': store(ref('x'), '') })).toEqual([
    'components/a.yaml (Component statestore): spec.metadata[1].secretKeyRef: auth.secretStore is missing in this document; name the secret store there, beside spec',
  ])
})

test('secret stores are read for the component that is used alone', () => {
  const broker = store(ref('x')).replace('name: statestore', 'name: broker').replace('state.redis', 'pubsub.redis')
  const { storeUrl, warnings } = read({ 'components/a.yaml': broker, 'components/b.yaml': secretStore('secretstores.kubernetes') })
  expect([storeUrl, warnings.length]).toEqual([undefined, 2])
})
