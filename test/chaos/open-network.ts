/** Which network a run gets: namespaces where they can be made, else proxies. */
import { execFileSync } from 'node:child_process'
import type { FaultNetwork } from './fault-network.ts'
import { NamespaceNetwork } from './namespace-network.ts'
import { ProxyNetwork } from './proxy-network.ts'

/** @throws Error when namespaces are asked for and cannot be made */
export async function openNetwork(kind: 'namespaces' | 'proxies' | undefined): Promise<FaultNetwork> {
  const possible = canMakeNamespaces()
  if (kind === 'namespaces' && !possible) throw new Error('network namespaces need root, and `ip` of iproute2: use --network proxies')
  return (kind ?? (possible ? 'namespaces' : 'proxies')) === 'namespaces' ? NamespaceNetwork.open() : new ProxyNetwork()
}

function canMakeNamespaces(): boolean {
  if (process.getuid?.() !== 0) return false
  const name = `troupe${process.pid}probe`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
