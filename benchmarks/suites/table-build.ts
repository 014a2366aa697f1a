/** `placement`: the placement table of 3 to 1,000 hosts, beside the hash ring alone. What is measured is in placement.ts. */
import { measureBareRing, type RingFigures } from '../floors/bare-ring.ts'
import type { FigureCase, Suite } from '../harness/suite.ts'
import { measurePlacement } from './placement.ts'

const shards = 16_384
const floor = 'hashring alone'

interface Figure {
  readonly name: string
  readonly of: keyof RingFigures
  readonly unit: string
  readonly exact?: true
  atMost?(hosts: number): number | undefined
}

const figures: readonly Figure[] = [
  { name: 'build', of: 'buildMs', unit: 'ms', atMost: hosts => hosts === 1000 ? 1000 : undefined },
  { name: 'change at a join', of: 'joinMs', unit: 'ms' },
  { name: 'most loaded host', of: 'imbalance', unit: 'x fair share', exact: true, atMost: () => 1.1 },
  { name: 'moved by a join', of: 'joinMoves', unit: 'x fair share', exact: true, atMost: () => 1.3 },
]

const figure = ({ name, of, unit, exact, atMost }: Figure, hosts: number): FigureCase => {
  const most = atMost?.(hosts)
  return {
    kind: 'figure',
    name: `${hosts.toLocaleString('en-US')} hosts: ${name}`,
    unit,
    floor,
    ...exact === true && { exact },
    ...most !== undefined && { atMost: most },
    open: async () => ({
      floor: async () => measureBareRing(hosts, shards)[of],
      subject: async () => measurePlacement([hosts], shards, 1)[0]![of],
    }),
  }
}

export const suite: Suite = {
  name: 'placement',
  title: `the table of ${shards.toLocaleString('en-US')} shards`,
  cases: [3, 10, 100, 1000].flatMap(hosts => figures.map(it => figure(it, hosts))),
}
