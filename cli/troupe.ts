#!/usr/bin/env node
/**
 * The entry of the command line. It only looks at the version of Node, so it must parse on old ones and imports the rest
 * (program.ts) afterwards: a user of an old Node gets one clear line instead of a syntax error from some dependency.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`troupe: needs Node 22.18 or newer, which runs TypeScript as it is; this is ${process.version}; npm install node@24 brings one, which npx troupe then runs on\n`)
  process.exitCode = 1
} else {
  // grpc-js prints lines of its own to standard error; what matters of them comes as an error to us.
  process.env.GRPC_VERBOSITY ??= 'NONE'
  const { run } = await import('./program.ts')
  process.exitCode = await run(process.argv.slice(2))
}
