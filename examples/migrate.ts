/**
 * State that changes its shape: what version 1 of a class stored is upgraded when version 2 first loads it, actor by
 * actor, and written back by the first turn that changes something. Run: node migrate.ts
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Actor, createHost } from 'troupe'

class ProfileV1 extends Actor {
  name = ''
  setName(name: string) {
    this.name = name
  }
  static readonly type = 'Profile'
}

class Profile extends Actor {
  first = ''
  last = ''
  greeting() {
    return `Hello ${this.first} (of the family ${this.last})`
  }
  static readonly version = 2
  static migrate(state: Record<string, unknown>, from: number): Record<string, unknown> {
    if (from > 1) return state
    const [first = '', last = ''] = String(state.name).split(' ')
    return { first, last }
  }
}

const folder = await mkdtemp(join(tmpdir(), 'troupe-migrate-'))
try {
  const before = await createHost({ actors: [ProfileV1], store: `lmdb:${folder}` })
  await before.actor(ProfileV1, 'ada').setName('Ada Lovelace')
  await before.stop()

  const after = await createHost({ actors: [Profile], store: `lmdb:${folder}` })
  console.log(await after.actor(Profile, 'ada').greeting())
  await after.stop()
} finally {
  await rm(folder, { recursive: true, force: true })
}
