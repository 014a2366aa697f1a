/**
 * What `--target`, `--grpc`, `--pid` and `--app-port` say about the sidecars to measure: each is `LABEL=VALUE`, or VALUE alone where
 * there is one target. Pure.
 */

export interface NamedTarget {
  readonly label: string
  /** `http://HOST:PORT` */
  readonly http: string
  /** HOST:PORT */
  readonly grpc: string | undefined
  readonly pids: readonly number[]
  /** Where the sidecar looks for its application, which this run is. */
  readonly appPort: number | undefined
}

export interface TargetFlags {
  readonly target: readonly string[]
  readonly grpc?: readonly string[]
  readonly pid?: readonly string[]
  readonly appPort?: readonly string[]
}

/** @throws Error that names the flag */
export function readTargets(flags: TargetFlags): NamedTarget[] {
  const urls = flags.target.map(text => labelled(text))
  if (urls.length > 1 && urls.some(({ label }) => label === undefined)) throw new Error('--target: with several targets each needs a label, as --target a=http://127.0.0.1:3500')
  const labels = urls.map(({ label }) => label ?? 'target')
  if (new Set(labels).size < labels.length) throw new Error('--target: two targets have the same label')
  const of = (flag: string, given: readonly string[] = []): Map<string, string> => byLabel(flag, given, labels)
  const [grpc, pids, appPorts] = [of('--grpc', flags.grpc), of('--pid', flags.pid), of('--app-port', flags.appPort)]
  return urls.map(({ value }, index) => {
    const label = labels[index]!
    const appPort = appPorts.get(label)
    return {
      label, http: httpUrl(value), grpc: grpc.get(label),
      pids: pids.get(label)?.split(',').map(pid => wholeNumber('--pid', pid, 4_194_304)) ?? [],
      appPort: appPort === undefined ? undefined : wholeNumber('--app-port', appPort, 65_535),
    }
  })
}

/** A label begins with a letter and holds no `:`, so that no URL, address or number is taken for one. */
function labelled(text: string): { label: string | undefined; value: string } {
  const [, label, value] = /^([a-zA-Z][\w.-]*)=(.+)$/s.exec(text) ?? []
  return { label, value: value ?? text }
}

function byLabel(flag: string, given: readonly string[], labels: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const text of given) {
    const { label = labels.length === 1 ? labels[0] : undefined, value } = labelled(text)
    if (label === undefined) throw new Error(`${flag} ${text}: with several targets it needs a label, as ${flag} ${labels[0]}=${text}`)
    if (!labels.includes(label)) throw new Error(`${flag} ${text}: there is no target ${label}; there are ${labels.join(', ')}`)
    if (values.has(label)) throw new Error(`${flag} is given twice for ${label}`)
    values.set(label, value)
  }
  return values
}

function httpUrl(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol !== 'http:') throw new Error(`--target ${text}: it must be a URL such as http://127.0.0.1:3500`)
  return url.origin
}

function wholeNumber(flag: string, text: string, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > most) throw new Error(`${flag} ${text}: it must be a whole number from 1 to ${most}`)
  return value
}
