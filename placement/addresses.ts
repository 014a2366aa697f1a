/** HOST:PORT as text and as its parts; an IPv6 host stands in brackets. */

/** Why `address` is not HOST:PORT with a port of 1 to 65535, or undefined. */
export function addressProblem(address: string): string | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/[\]]+):(\d{1,5})$/.exec(address)
  const port = Number(match?.[2])
  return match !== null && port >= 1 && port <= 65_535 ? undefined : 'is not HOST:PORT'
}

/** Of an address without a problem. */
export function splitAddress(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

export const joinAddress = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** HOST or HOST:PORT as people write it: the host of IPv6 with or without its brackets. */
function readAddress(text: string): { host: string; port: number | undefined } {
  const [, host, port] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text) ?? [undefined, text, undefined]
  return { host: host!.replace(/^\[|\]$/g, ''), port: port === undefined ? undefined : Number(port) }
}

/** The host of an advertised HOST or HOST:PORT. */
export const advertisedHost = (advertised: string): string => readAddress(advertised).host

/** The address that others use: the advertised host, with the port of `bound` unless it names its own. */
export function reachableAt(bound: string, advertised: string | undefined): string {
  if (advertised === undefined) return bound
  const { host, port } = readAddress(advertised)
  return joinAddress(host, port ?? splitAddress(bound).port)
}
