import { describe, expect, it } from 'vitest'
import { readAppConfig, resolveAppTypes, type RawAppConfig } from '../../../../gateway/dapr/app-config.ts'

const defaults = { idleMs: 3_600_000, drainMs: 2000, drainRebalanced: true, reentrant: false, maxStackDepth: 32 }
const nothing: RawAppConfig = { entities: [], entitiesConfig: [] }

function resolved(document: unknown) {
  const warnings: string[] = []
  const { types, warnings: more } = resolveAppTypes(readAppConfig(document, warnings))
  return { types: Object.fromEntries(types.map(({ name, ...rest }) => [name, rest])), warnings: [...warnings, ...more] }
}

describe('the config of an application', () => {
  it('has defaults for all but its types', () => {
    expect(resolved({ entities: ['A', 'B'] })).toEqual({ types: { A: defaults, B: defaults }, warnings: [] })
  })

  it('has each field for all types', () => {
    expect(resolved({
      entities: ['A'], actorIdleTimeout: '1h30m', drainOngoingCallTimeout: '5s', drainRebalancedActors: false,
      reentrancy: { enabled: true, maxStackDepth: 23 }, remindersStoragePartitions: 7, actorScanInterval: '30s',
    })).toEqual({ types: { A: { idleMs: 5_400_000, drainMs: 5000, drainRebalanced: false, reentrant: true, maxStackDepth: 23 } }, warnings: [] })
  })

  it('has idle time and reentrancy of a type wholly from its own entry, draining field by field', () => {
    expect(resolved({
      entities: ['A', 'B', 'C', 'D'], actorIdleTimeout: '10m', drainOngoingCallTimeout: '9s', drainRebalancedActors: false,
      reentrancy: { enabled: true, maxStackDepth: 5 },
      entitiesConfig: [
        { entities: ['B'] },
        { entities: ['C'], actorIdleTimeout: '1m', drainOngoingCallTimeout: '500ms', drainRebalancedActors: true, reentrancy: { enabled: true } },
        { entities: ['D'], reentrancy: { enabled: false, maxStackDepth: 3 } },
      ],
    })).toEqual({
      types: {
        A: { idleMs: 600_000, drainMs: 9000, drainRebalanced: false, reentrant: true, maxStackDepth: 5 },
        B: { ...defaults, drainMs: 9000, drainRebalanced: false },
        C: { idleMs: 60_000, drainMs: 500, drainRebalanced: true, reentrant: true, maxStackDepth: 32 },
        D: { ...defaults, drainMs: 9000, drainRebalanced: false, maxStackDepth: 3 },
      },
      warnings: [],
    })
  })

  it.each([
    ['Java, misspelt', { entities: ['A'], drainBalancedActors: false, remindersStoragePartitions: 1 }],
    ['unknown fields', { entities: ['A'], x: 1, entitiesConfig: [{ entities: ['A'], y: 2 }] }],
    ['null fields', {
      entities: ['A'], actorIdleTimeout: null, drainOngoingCallTimeout: null, drainRebalancedActors: null, reentrancy: null, entitiesConfig: null,
    }],
    ['empty durations', { entities: ['A'], actorIdleTimeout: '', drainOngoingCallTimeout: '', reentrancy: {} }],
    ['names in another case', { Entities: ['A'] }],
  ])('is read leniently: %s', (_, document) => {
    expect(resolved(document)).toEqual({ types: { A: defaults }, warnings: [] })
  })

  it.each([
    ['actorIdleTimeout', 3600], ['actorIdleTimeout', 'PT1H'], ['actorIdleTimeout', '-1s'], ['actorIdleTimeout', 'soon'], ['drainOngoingCallTimeout', '1d'],
    ['drainRebalancedActors', 'yes'], ['reentrancy', true], ['reentrancy.enabled', 'true'], ['reentrancy.maxStackDepth', '5'], ['reentrancy.maxStackDepth', 0],
    ['entitiesConfig', {}],
  ])('has the default where %s is %j, and says so', (path, value) => {
    const [name, member] = path.split('.') as [string, string?]
    const { types, warnings } = resolved({ entities: ['A'], [name]: member === undefined ? value : { [member]: value } })
    expect(types).toEqual({ A: defaults })
    expect(warnings).toEqual([expect.stringMatching(new RegExp(`^${path}: .* is n(o|either) .*; it is ignored$`))])
  })

  it.each([[null, 0], [undefined, 0], ['x', 1], [[], 1], [1, 1]])('hosts nothing when it is %j', (document, warnings) => {
    const told: string[] = []
    expect(readAppConfig(document, told)).toEqual(nothing)
    expect(told).toHaveLength(warnings)
  })

  it('names the entry that is wrong', () => {
    expect(resolved({ entities: ['A', 3], entitiesConfig: [7, { entities: ['A'], reentrancy: { maxStackDepth: 1.5 } }] }).warnings).toEqual([
      'entities: 3 is no name of a type; it is ignored',
      'entitiesConfig[0]: 7 is no object; it is ignored',
      'entitiesConfig[1].reentrancy.maxStackDepth: 1.5 is no number of 1 or more; it is ignored',
    ])
  })

  it('prefers the exact spelling of a name', () => {
    expect(Object.keys(resolved({ ENTITIES: ['B'], entities: ['A'] }).types)).toEqual(['A'])
    expect(resolved({ entities: ['A'], actorIdleTimeout: '5s', ActorIdleTimeout: '9s' }).types).toMatchObject({ A: { idleMs: 5000 } })
  })
})

describe('types of an application', () => {
  it('are not hosted when their name is illegal, and once when they are named twice', () => {
    const { types, warnings } = resolveAppTypes({ ...nothing, entities: ['A', 'a/b', '', 'A', '..', 'B|C d'] })
    expect(types.map(type => type.name)).toEqual(['A', 'B|C d'])
    expect(warnings).toEqual([
      'entities: "a/b" holds a character of / \\ # ? or a control character; it is not hosted',
      'entities: "" is empty; it is not hosted',
      'entities: "A" is there twice; once is enough',
      "entities: \"..\" is '..'; it is not hosted",
    ])
  })

  it('are told when they are configured but not hosted', () => {
    const { types, warnings } = resolveAppTypes({ entities: ['A'], entitiesConfig: [{ entities: ['A', 'B'], actorIdleTimeoutMs: 0 }] })
    expect(types).toEqual([{ name: 'A', ...defaults, idleMs: 1 }])
    expect(warnings).toEqual(['entitiesConfig: "B" is configured but not among the entities; it is not hosted'])
  })

  it('take the last of several entries', () => {
    const entitiesConfig = [{ entities: ['A'], actorIdleTimeoutMs: 1000 }, { entities: ['A'], actorIdleTimeoutMs: 2000 }]
    expect(resolveAppTypes({ entities: ['A'], entitiesConfig }).types).toMatchObject([{ idleMs: 2000 }])
  })

  it('drain within the time that a move has', () => {
    const { types, warnings } = resolveAppTypes({
      entities: ['abc', 'def', 'ghi'], drainOngoingCallTimeoutMs: 60_000,
      entitiesConfig: [{ entities: ['def'], drainOngoingCallTimeoutMs: 29_999 }, { entities: ['ghi'], drainOngoingCallTimeoutMs: 30_000 }],
    })
    expect(types.map(type => type.drainMs)).toEqual([24_000, 29_999, 24_000])
    expect(warnings).toEqual([
      'drainOngoingCallTimeout (1m0s) for entities=abc meets or exceeds the dissemination timeout (30s); 24s is used instead',
      'drainOngoingCallTimeout (30s) for entities=ghi meets or exceeds the dissemination timeout (30s); 24s is used instead',
    ])
  })
})
