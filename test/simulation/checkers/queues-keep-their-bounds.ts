/** No queue of any host was ever seen longer than its bound (P7). */
import type { Checker } from '../history.ts'

export const queuesKeepTheirBounds: Checker = ({ overfull }) =>
  overfull.map(({ queue, host, size, bound }) => `${queue} of ${host} held ${size}, its bound is ${bound}`)
