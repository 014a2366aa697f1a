import { expect, test } from 'vitest'
import { cpuSecondsIn } from '../../../benchmarks/floors/bare-redis.ts'

test('the CPU time of a Redis server is its own user and system time, without that of its children', () => {
  const info = '# CPU\r\nused_cpu_sys:1.250000\r\nused_cpu_user:2.500000\r\nused_cpu_sys_children:9.000000\r\nused_cpu_user_children:9.000000\r\nused_cpu_sys_main_thread:1.2\r\nused_cpu_user_main_thread:2.4\r\n'
  expect(cpuSecondsIn(info)).toBe(3.75)
  expect(cpuSecondsIn('# CPU\r\n')).toBeNaN()
})
