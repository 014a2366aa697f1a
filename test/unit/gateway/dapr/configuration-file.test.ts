import { expect, test } from 'vitest'
import { problemsOf, read } from './resource-folder.ts'

const configuration = (spec: string): Record<string, string> =>
  ({ 'config.yaml': `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: appconfig\nspec:\n${spec}` })
const given = { paths: [], configFiles: ['config.yaml'] }

test('its features, and one warning for the rest', () => {
  const { enabledFeatures, warnings } = read(configuration(`  tracing:
    samplingRate: "1"
    zipkin:
      endpointAddress: "http://localhost:9411/api/v2/spans"
  metrics: {enabled: true}
  mtls: {enabled: false}
  appHttpPipeline: {handlers: []}
  features:
  - name: ActorStateTTL
    enabled: true
  - name: HotReload
    enabled: false
  - name: ActorStateTTL
    enabled: true
`), given)
  expect(enabledFeatures).toEqual(['ActorStateTTL'])
  expect(warnings).toEqual(['config.yaml: Troupe does not do what the configuration says of tracing, metrics, mtls, appHttpPipeline'])
  expect(read({ 'config.yaml': 'kind: Configuration\n' }, given)).toMatchObject({ enabledFeatures: [], warnings: [] })
})

test('several files give the features of all', () => {
  const of = (name: string): string => configuration(`  features: [{name: ${name}, enabled: true}]\n`)['config.yaml']!
  expect(read({ 'a.yaml': of('A'), 'b.yaml': of('B') }, { paths: [], configFiles: ['a.yaml', 'b.yaml'] }).enabledFeatures).toEqual(['A', 'B'])
})

test('what has another shape is refused', () => {
  expect(problemsOf(configuration('  features:\n  - name: A\n  - enabled: true\n  - {name: B, enabled: perhaps, on: 1}\n  - C\n'), given)).toEqual([
    'config.yaml (Configuration appconfig): spec.features[0].enabled: is missing; write true or false',
    'config.yaml (Configuration appconfig): spec.features[1].name: is missing; write it',
    'config.yaml (Configuration appconfig): spec.features[2]: there is no on here; there are name, enabled',
    'config.yaml (Configuration appconfig): spec.features[2].enabled: "perhaps" is neither true nor false',
    'config.yaml (Configuration appconfig): spec.features[3]: must be a mapping of names to values, not a single value',
    'config.yaml (Configuration appconfig): spec.features[3].name: is missing; write it',
    'config.yaml (Configuration appconfig): spec.features[3].enabled: is missing; write true or false',
  ])
  expect(problemsOf(configuration('  features: {name: A}\n'), given)[0]).toMatch(/spec\.features: must be a list, not a mapping/)
  expect(problemsOf({ 'config.yaml': 'kind: Component\n' }, given)).toEqual(['config.yaml: holds no Configuration; it has kind: Configuration and a spec'])
  expect(problemsOf({ 'config.yaml': 'kind: Configuration\n---\nkind: Configuration\n' }, given)).toEqual(['config.yaml, document 2 (Configuration): is a second Configuration; leave one in this file'])
  expect(problemsOf({}, given)[0]).toBe('config.yaml: cannot be read: ENOENT')
})

test('one among the resources is not it', () => {
  const { enabledFeatures, debug } = read({ 'components/config.yaml': configuration('  features: [{name: A, enabled: true}]\n')['config.yaml']! })
  expect([enabledFeatures, debug]).toEqual([[], ['resource Configuration appconfig is left out: a Configuration is given as a file of its own (--config)']])
})
