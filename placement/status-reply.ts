/** What a candidate knows, in the shape that `placement.proto` gives it for people. */
import type { CandidateStatus } from './leader-seat.ts'

export const statusReply = ({ members, ...status }: CandidateStatus): object => ({
  ...status,
  members: members.map(({ leaseLeftMs, restMs, ...member }) => ({
    ...member, rest_ms: Math.round(restMs), ...(leaseLeftMs === undefined ? {} : { lease_left_ms: Math.round(leaseLeftMs) }),
  })),
})
