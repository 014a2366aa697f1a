/**
 * The languages of the interoperability tests and how their applications are started. A new language is a toolchain
 * (toolchains.ts) and an entry here; what its counter must offer: README.md.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ToolchainName } from './toolchains.ts'

const folder = fileURLToPath(new URL('.', import.meta.url))

export interface Language {
  readonly name: string
  /** The actor type that its application hosts. */
  readonly type: string
  readonly toolchain: ToolchainName
  /** How the sidecar reaches the application. */
  readonly protocol: 'http' | 'grpc'
  /** False: the application opens no port at all. */
  readonly hasPort: boolean
  /** Why a chain of calls cannot come back to an actor; undefined: it can. */
  readonly withoutReentrancy?: string
  /** Public methods of the language start with a capital letter. */
  readonly capitals?: boolean
  /** What an actor throws reaches its caller as an ordinary result, `{"message","errorCode"}`, and is told apart by a header only. */
  readonly errorsAreResults?: boolean
  /** Its hosts take arguments as a list only, also one. */
  readonly argumentLists?: boolean
  /** Other ways in which the application can call actors than its usual one. */
  readonly clients?: readonly string[]
  /** The program and its arguments; `built` is the folder that the toolchain prepared. */
  command(built: string): readonly [string, ...string[]]
}

export const languages: readonly Language[] = [
  {
    name: 'js', type: 'JsCounter', toolchain: 'js', protocol: 'http', hasPort: true, argumentLists: true, clients: ['grpc'],
    withoutReentrancy: 'its SDK does not hand on the id of a chain of calls',
    command: built => [process.execPath, join(built, 'app.js')],
  },
  {
    name: 'python', type: 'PyCounter', toolchain: 'python', protocol: 'http', hasPort: true,
    command: built => [join(built, 'bin/python'), join(folder, 'python/http_app.py')],
  },
  {
    name: 'python-stream', type: 'PyStreamCounter', toolchain: 'python', protocol: 'grpc', hasPort: true, errorsAreResults: true,
    command: built => [join(built, 'bin/python'), join(folder, 'python/stream_app.py')],
  },
  {
    name: 'go', type: 'GoCounter', toolchain: 'go', protocol: 'http', hasPort: true, capitals: true,
    withoutReentrancy: 'its SDK does not hand on the id of a chain of calls over HTTP',
    command: built => [join(built, 'app')],
  },
  {
    name: 'go-stream', type: 'GoStreamCounter', toolchain: 'go', protocol: 'grpc', hasPort: false, capitals: true,
    command: built => [join(built, 'app'), 'stream'],
  },
  {
    name: 'java', type: 'JavaCounter', toolchain: 'java', protocol: 'http', hasPort: true,
    withoutReentrancy: 'its SDK does not hand on the id of a chain of calls',
    command: built => ['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', `${join(built, 'target/classes')}:${join(built, 'target/lib')}/*`, 'interop.Main'],
  },
]

/** A method of the common counter as the language spells it. */
export const spelled = (language: Pick<Language, 'capitals'>, method: string): string =>
  language.capitals === true ? method[0]!.toUpperCase() + method.slice(1) : method
