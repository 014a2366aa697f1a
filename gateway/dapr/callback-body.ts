/**
 * The bodies of reminders and ticks of timers, byte for byte as Dapr writes them: its applications' tests compare texts, so the
 * order of keys and the missing whitespace count. Data keeps its own spelling (numbers beyond 2^53 too); only whitespace goes.
 */
import type { AppCallback } from '../../actors/app-channel.ts'

export const reminderBody = (reminder: AppCallback): string =>
  `{${dataField(reminder.data)}"dueTime":${JSON.stringify(reminder.dueTime)},"period":${JSON.stringify(reminder.period)}}`

export const timerBody = (timer: AppCallback): string =>
  `{${dataField(timer.data)}"callback":${JSON.stringify(timer.callback)},"dueTime":${JSON.stringify(timer.dueTime)},"period":${JSON.stringify(timer.period)}}`

const dataField = (data: string | undefined): string => data === undefined ? '' : `"data":${compact(data)},`

/** JSON text without whitespace between its tokens. No regular expression: it would need a stack as long as a string in it. */
function compact(json: string): string {
  let compacted = ''
  let from = 0
  for (let i = 0; i < json.length; i++) {
    const char = json[i]
    if (char === '"') i = endOfString(json, i)
    else if (char === ' ' || char === '\n' || char === '\t' || char === '\r') {
      compacted += json.slice(from, i)
      from = i + 1
    }
  }
  return compacted + json.slice(from)
}

/** The closing quote of the string that `start` opens. */
function endOfString(json: string, start: number): number {
  let end = start
  for (;;) {
    end = json.indexOf('"', end + 1)
    if (end < 0) return json.length
    let escapes = 0
    while (json[end - 1 - escapes] === '\\') escapes++
    if (escapes % 2 === 0) return end
  }
}
