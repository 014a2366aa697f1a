/** A Configuration file: which features it turns on. The rest of it is for parts that Troupe has not, or does its own way. */
import type { Logger } from '../../../core/logger.ts'
import type { Problems } from './field-reader.ts'
import type { Resource } from './resource-files.ts'

/** Names of the enabled features, in order. */
export function readConfiguration(file: string, resources: readonly Resource[], log: Logger, problems: Problems): string[] {
  const [configuration, second] = resources.filter(({ kind }) => kind === 'Configuration')
  if (configuration === undefined) {
    problems.add(file, 'holds no Configuration; it has kind: Configuration and a spec')
    return []
  }
  second?.root.refuse('is a second Configuration; leave one in this file')
  const spec = configuration.root.at('spec')
  const enabled: string[] = []
  for (const feature of spec.at('features').items()) {
    feature.onlyKnown(['name', 'enabled'])
    const name = feature.at('name').neededText()
    const on = feature.at('enabled').given ? feature.at('enabled').boolean() : feature.at('enabled').refuse('is missing; write true or false')
    if (name !== undefined && on === true && !enabled.includes(name)) enabled.push(name)
  }
  const ignored = spec.entries().map(([name]) => name).filter(name => name !== 'features')
  if (ignored.length > 0) log.warn({ file, ignored }, `${file}: Troupe does not do what the configuration says of ${ignored.join(', ')}`)
  return enabled
}
