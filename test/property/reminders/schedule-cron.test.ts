// Cron schedules against a model that looks at the wall minute by minute, around changes of the clock, and against the matcher of node-cron.
import fc from 'fast-check'
import { createTask } from 'node-cron'
import { describe, expect, it } from 'vitest'
import { countDue, nextDue, type Schedule } from '../../../reminders/schedule.ts'
import { changes, dueByModel, stretch, wallOf } from './schedule-model.ts'

interface Field { readonly text: string; readonly allows: (value: number) => boolean; readonly star: boolean }

const star: Field = { text: '*', allows: () => true, star: true }
const list = (min: number, max: number, most = 4): fc.Arbitrary<Field> =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: most }).map(values => ({ text: values.join(), allows: v => values.includes(v), star: false }))
const range = (min: number, max: number): fc.Arbitrary<Field> =>
  fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.integer({ min: 1, max: 7 })).map(([a, b, step]) => {
    const [from, to] = a < b ? [a, b] : [b, a]
    return { text: `${from}-${to}/${step}`, allows: v => v >= from && v <= to && (v - from) % step === 0, star: false }
  })
const steps = (min: number, max: number): fc.Arbitrary<Field> =>
  fc.integer({ min: 1, max: Math.min(59, max) }).map(step => ({ text: `*/${step}`, allows: v => (v - min) % step === 0, star: true }))
const field = (min: number, max: number, stars = 2): fc.Arbitrary<Field> => fc.oneof(
  { weight: stars, arbitrary: fc.constant(star) }, { weight: 2, arbitrary: list(min, max) },
  { weight: 1, arbitrary: range(min, max) }, { weight: 1, arbitrary: steps(min, max) },
)
const days = field(1, 28, 6)
const weekdays = field(0, 6, 6)

const matcher = (second: Field, minute: Field, hour: Field, day: Field, weekday: Field) => (wall: Date): boolean => {
  const byDay = day.allows(wall.getUTCDate())
  const byWeekday = weekday.allows(wall.getUTCDay())
  return second.allows(wall.getUTCSeconds()) && minute.allows(wall.getUTCMinutes()) && hour.allows(wall.getUTCHours())
    && (day.star || weekday.star ? byDay && byWeekday : byDay || byWeekday)
}
const onTheMinute: Field = { text: '0', allows: v => v === 0, star: false }

function occurrences(schedule: Schedule, after: number, until: number): number[] {
  const found: number[] = []
  for (let next = nextDue(schedule, after); next !== undefined && next <= until; next = nextDue(schedule, next)) found.push(next)
  return found
}

describe('cron schedules', () => {
  const byMinute = changes.map(([zone, around]) => stretch(zone, around, 30, 40, 60_000))
  const bySecond = changes.map(([zone, around]) => stretch(zone, around, 1, 2, 1000))

  it('are due when the model is, minute by minute through changes of the clock', () => {
    fc.assert(fc.property(fc.constantFrom(...byMinute), field(0, 59), field(0, 23), days, weekdays, fc.nat(), (s, minute, hour, day, weekday, skip) => {
      const schedule: Schedule = { kind: 'cron', cron: `${minute.text} ${hour.text} ${day.text} * ${weekday.text}`, tz: s.zone, from: s.start }
      const model = dueByModel(s, matcher(onTheMinute, minute, hour, day, weekday), hour.star)
      expect(occurrences(schedule, -Infinity, s.end)).toEqual(model)
      expect(countDue(schedule, s.start, s.end, 10_000)).toBe(model.length)
      // From anywhere, not only from one occurrence to the next.
      const after = s.start + skip % (s.end - s.start)
      const expected = model.find(at => at > after)
      if (expected !== undefined) expect(nextDue(schedule, after)).toBe(expected)
      else expect(nextDue(schedule, after) ?? Infinity).toBeGreaterThan(s.end)
    }), { numRuns: 300 })
  })

  it('are due when the model is, second by second', () => {
    fc.assert(fc.property(fc.constantFrom(...bySecond), field(0, 59), field(0, 59), field(0, 23, 6), fc.nat(), (s, second, minute, hour, skip) => {
      const schedule: Schedule = { kind: 'cron', cron: `${second.text} ${minute.text} ${hour.text} * * *`, tz: s.zone, from: s.start }
      const after = s.start + skip % (s.end - s.start)
      const model = dueByModel(s, matcher(second, minute, hour, star, star), hour.star).filter(at => at > after)
      expect(occurrences(schedule, after, s.end).slice(0, 200)).toEqual(model.slice(0, 200))
    }), { numRuns: 200 })
  })

  it('agree with the matcher of node-cron on special days, where no clock changes', () => {
    const day = fc.constantFrom('L', 'LW', 'L-1', 'L-29', '1W', '15W', '31W', '?', '29-31', '5,L', '*/10')
    const weekday = fc.constantFrom('*', '?', '5L', '0L', '7', '5#1', '1#5', '6#5', 'mon-fri', 'fri-mon', '*/3')
    fc.assert(fc.property(day, weekday, fc.integer({ min: 1970, max: 2100 }), fc.integer({ min: 1, max: 12 }), (d, w, year, month) => {
      // Days or weekdays, not both: there node-cron wants both and Vixie either.
      const [dayField, weekdayField] = d === '?' || w === '*' || w === '?' || d.startsWith('*') || w.startsWith('*') ? [d, w] : [d, '*']
      const cron = `30 5 ${dayField} * ${weekdayField}`
      const task = createTask(cron, () => undefined, { timezone: 'UTC' })
      try {
        const start = Date.UTC(year, month - 1, 1)
        const expected = Array.from({ length: 31 }, (_, i) => start + i * 86_400_000 + 5.5 * 3_600_000).filter(at => task.match(new Date(at)))
        expect(occurrences({ kind: 'cron', cron, tz: 'UTC', from: start }, -Infinity, start + 31 * 86_400_000 - 1)).toEqual(expected)
      } finally {
        void task.destroy()
      }
    }), { numRuns: 300 })
  })

  it('are due strictly later each time, at a reading that the fields allow or right after a gap, decades away too', () => {
    const zones = [...new Set(changes.map(([zone]) => zone))]
    const walls = new Map(zones.map(zone => [zone, wallOf(zone)]))
    fc.assert(fc.property(
      fc.constantFrom(...zones), list(0, 59), list(0, 23), list(1, 28), list(1, 12, 2), fc.integer({ min: 0, max: Date.UTC(9990, 0) }),
      (tz, minute, hour, day, month, from) => {
        const schedule: Schedule = { kind: 'cron', cron: `${minute.text} ${hour.text} ${day.text} ${month.text} *`, tz, from }
        const wall = walls.get(tz)!
        let last = from
        for (let i = 0; i < 5; i++) {
          const at = nextDue(schedule, last)!
          expect(at).toBeGreaterThan(last)
          const reading = new Date(wall(at))
          const allowed = month.allows(reading.getUTCMonth() + 1) && matcher(onTheMinute, minute, hour, day, star)(reading)
          expect(allowed || wall(at) - wall(at - 60_000) > 60_000).toBe(true)
          last = at
        }
      },
    ), { numRuns: 300 })
  })
})
