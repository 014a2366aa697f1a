/** Adds the CPU of other processes to what a measurement in one process has counted. */
import type { Sample } from './sample.ts'

/** A process that says how much it has worked: a child, or a server that is asked. */
export interface Clocked {
  /** CPU seconds since its start. */
  cpuSeconds(): Promise<number>
}

/** `others`: the processes that work for this measurement, by the name they get in the sample's CPU account. */
export async function withCpuOf(others: Readonly<Record<string, Clocked>>, measure: () => Promise<Sample>): Promise<Sample> {
  const names = Object.keys(others)
  const read = () => Promise.all(names.map(name => others[name]!.cpuSeconds()))
  const before = await read()
  const sample = await measure()
  const after = await read()
  return { ...sample, cpu: { ...sample.cpu, ...Object.fromEntries(names.map((name, i) => [name, after[i]! - before[i]!])) } }
}
