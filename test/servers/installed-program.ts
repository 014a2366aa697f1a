/** Programs of real servers: found on this machine, or installed with apt-get where that is possible. */
import { execFileSync } from 'node:child_process'

/** For `find`: the program's path on the PATH. */
export function onPath(program: string): string | undefined {
  try {
    return execFileSync('which', [program], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** What `find` finds, if need be after `aptPackage` was installed. @throws Error with the command that installs it */
export function installedProgram<Found>(name: string, aptPackage: string, find: () => Found | undefined): Found {
  const found = find()
  if (found !== undefined) return found
  if (process.getuid?.() === 0) {
    try {
      execFileSync('apt-get', ['update'], { stdio: 'ignore', timeout: 120_000 })
      execFileSync('apt-get', ['install', '-y', '--no-install-recommends', aptPackage], {
        stdio: 'ignore', timeout: 300_000, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    } catch {
      // Told below.
    }
    const installed = find()
    if (installed !== undefined) return installed
  }
  throw new Error(`these tests need ${name}: install it with \`sudo apt-get install ${aptPackage}\` (or your system's package manager)`)
}
