/** The thread of a lease that crashes a moment after it started, each time. */
import '../../placement/lease-worker.ts'

setTimeout(() => { throw new Error('crashed on purpose') }, 150)
