/** What `troupe/testing` exports: a host on virtual time for tests of actors, and a whole cluster under faults for simulations of them. */
export { faultKinds, LEADER, planFaults, showFault, type Fault, type FaultKind, type FaultPlanOptions, type PlannedFault } from './fault-plan.ts'
export { Nemesis } from './nemesis.ts'
export { SimCluster, type SimClusterOptions, type SimOutcome } from './sim-cluster.ts'
export { testHost, TestHost, type TestHostOptions } from './test-host.ts'
