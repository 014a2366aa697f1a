/**
 * The bodies of reminders and ticks of timers, byte for byte as Dapr writes them: its applications' tests compare texts, so the
 * order of keys and the missing whitespace count. Data keeps its own spelling (numbers beyond 2^53 too); only whitespace goes.
 */
import type { AppCallback } from '../../../actors/app-channel.ts'
import { compactJson } from '../../json-source.ts'

export const reminderBody = (reminder: AppCallback): string =>
  `{${dataField(reminder.data)}"dueTime":${JSON.stringify(reminder.dueTime)},"period":${JSON.stringify(reminder.period)}}`

export const timerBody = (timer: AppCallback): string =>
  `{${dataField(timer.data)}"callback":${JSON.stringify(timer.callback)},"dueTime":${JSON.stringify(timer.dueTime)},"period":${JSON.stringify(timer.period)}}`

const dataField = (data: string | undefined): string => data === undefined ? '' : `"data":${compactJson(data)},`
