/** Command lines of `troupe sidecar` and `troupe run` read to their settings, as the commands do it, without starting anything. */
import { Command } from 'commander'
import { daprdOptions, type DaprdDefaults, type DaprdFlags } from '../../../cli/daprd-flags.ts'
import { spelledOut } from '../../../cli/daprd-spelling.ts'
import type { Environment } from '../../../cli/flags.ts'
import { sidecarSettings, type SidecarSettings } from '../../../cli/sidecar-settings.ts'

const forms: Readonly<Record<'sidecar' | 'run', DaprdDefaults>> = {
  sidecar: { httpPort: 3500, grpcPort: 50001, short: false },
  run: { httpPort: 0, grpcPort: 0, short: true },
}

export function flagsOf(words: readonly string[], form: 'sidecar' | 'run' = 'sidecar'): { flags: DaprdFlags; rest: string[] } {
  const command = new Command(form).exitOverride().configureOutput({ writeErr: () => undefined }).argument('[command...]').action(() => undefined)
  for (const option of daprdOptions(forms[form])) command.addOption(option)
  command.parse(spelledOut(words, command.options, { commandFollows: form === 'run' }), { from: 'user' })
  return { flags: command.opts(), rest: command.args }
}

/** Words in one text where none has a blank. */
export const settingsOf = (words: string | readonly string[], env: Environment = {}, form: 'sidecar' | 'run' = 'sidecar'): SidecarSettings =>
  sidecarSettings(flagsOf(['--app-id', 'shop', ...(typeof words === 'string' ? words.split(' ').filter(word => word !== '') : words)], form).flags, env)
