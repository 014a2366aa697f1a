/** Memory stores that outlive their hosts, which those behind `memory:` would not. */
import { openStores } from 'troupe'
import { SystemClock } from '../../core/clock.ts'

export const openMemoryStores = () => openStores('memory:', { clock: new SystemClock() })
