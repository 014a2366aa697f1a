import { expect, test } from 'vitest'
import { parseTrip } from '../../../../gateway/dapr/resiliency/trip-expression.ts'

const counts = { requests: 10, totalSuccesses: 4, totalFailures: 6, consecutiveSuccesses: 0, consecutiveFailures: 3 }

test.each([
  ['consecutiveFailures > 3', false],
  ['consecutiveFailures >= 3', true],
  ['3 <= consecutiveFailures', true],
  ['totalFailures>totalSuccesses', true],
  ['requests == 10 && totalFailures != 6', false],
  ['requests < 10 || totalFailures > 5 && consecutiveFailures > 2', true],
  ['(requests < 10 || totalFailures > 5) && consecutiveFailures > 5', false],
  ['!(requests < 10) && !((consecutiveSuccesses > 0))', true],
  [' ( requests > 9 ) ', true],
])('%s is %s', (text, value) => {
  const expression = parseTrip(text)
  expect(typeof expression === 'function' && expression(counts)).toBe(value)
})

test.each([
  ['', /has its end where a count/],
  ['consecutiveFailures', /has its end where a comparison/],
  ['consecutiveFailures > ', /has its end where a count/],
  ['failures > 5', /has "failures" where a count or a whole number should be; there are requests, totalSuccesses/],
  ['consecutiveFailures > 5.5', /has "\." where it should end/],
  ['totalFailures * 2 > requests', /has "\*" where a comparison/],
  ['consecutiveFailures = 5', /has "=" where a comparison/],
  ['(requests > 5', /has its end where a \)/],
  ['requests > 5)', /has "\)" where it should end/],
  ['!requests > 5', /after !/],
  ['requests > 5 & requests < 9', /has "&" where it should end/],
  ['1 < requests < 5', /has "<" where it should end/],
  ['x'.repeat(1_001), /longer than 1000/],
  ["requests > 5; process.exit(1)", /has ";" where/],
  ['constructor > 5', /has "constructor"/],
  [`${'('.repeat(400)}requests > 5`, /its end/],
])('%s is refused', (text, why) => {
  expect(parseTrip(text)).toMatch(why)
})
