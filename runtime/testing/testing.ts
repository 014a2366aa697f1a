/** What `troupe/testing` exports: a host on virtual time for tests of actors. */
export { testHost, TestHost, type TestHostOptions } from './test-host.ts'
