// P5: an occurrence that its application was never asked for, because it has too much to do, has not been tried.
import { expect, it } from 'vitest'
import { TroupeError } from '../../../core/errors.ts'
import { hostOf } from './running-host.ts'
import { settle, until } from './signal.ts'
import { TestApplication, typeOf } from './test-application.ts'

it.each([
  new TroupeError('OVERLOADED', '10000 requests to the application are under way'),
  new TroupeError('APP_UNREACHABLE', 'refused', { executed: 'no' }),
])('$code', async refusal => {
  const app = new TestApplication()
  const host = await hostOf([typeOf(app)])
  let tries = 0
  app.callback = () => {
    if (++tries <= 3) throw refusal
    return { cancel: false }
  }
  await host.manage({ type: 'Py', id: '1', operation: 'reminders.setData', args: ['r', { in: 1, retry: { attempts: 1, backoff: 1 } }, undefined, undefined] })
  await until(() => tries === 4, 'it has run', 10_000)
  await settle()
  expect((await host.listReminders('Py', { dead: true })).reminders).toEqual([])
})
