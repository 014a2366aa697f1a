/** What the figures were measured on. */
import { mkdirSync, statfsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { resultsFolder } from './scope.ts'

export interface MachineFacts {
  readonly date: string
  readonly node: string
  readonly system: string
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  /** Of the folder in which durable figures are measured. */
  readonly fileSystem: string
  /** False where an fsync reaches no disk. */
  readonly syncIsReal: boolean
}

// statfs(2) magic numbers.
const fileSystems: Readonly<Record<number, string>> = {
  0xef53: 'ext4', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x794c7630: 'overlayfs', 0x01021994: 'tmpfs', 0x858458f6: 'ramfs',
}

export function machineFacts(): MachineFacts {
  mkdirSync(resultsFolder, { recursive: true })
  const magic = statfsSync(resultsFolder).type
  const fileSystem = fileSystems[magic] ?? `file system 0x${magic.toString(16)}`
  return {
    date: new Date().toISOString(),
    node: process.version,
    system: `${type()} ${release()}`,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    fileSystem,
    syncIsReal: fileSystem !== 'tmpfs' && fileSystem !== 'ramfs',
  }
}
