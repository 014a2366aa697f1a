import { describe, expect, it } from 'vitest'
import { actorPath, methodPath, reminderPath, timerPath } from '../../../../gateway/dapr/channel/app-paths.ts'

describe('paths of an application', () => {
  it.each([
    ['Wallet', 'ada', 'topUp', '/actors/Wallet/ada/method/topUp'],
    ['T x', 'a|b||c', 'm n', '/actors/T%20x/a%7Cb%7C%7Cc/method/m%20n'],
    // Go's routers decode a parameter only when it was encoded as Go encodes it.
    ['T', "a@b:c$&+,;=~-_.", "x!'()*", "/actors/T/a@b:c$&+,;=~-_./method/x%21%27%28%29%2A"],
    ['T', 'Zoë', '日本', '/actors/T/Zo%C3%AB/method/%E6%97%A5%E6%9C%AC'],
    ['T', '100%', 'a%2Fb', '/actors/T/100%25/method/a%252Fb'],
    ['T', 'i', 'admin/list all/x', '/actors/T/i/method/admin/list%20all/x'],
    ['T', 'i', 'a?b#c', '/actors/T/i/method/a%3Fb%23c'],
    ['T', 'i', '...', '/actors/T/i/method/...'],
  ])('%s %s %s', (type, id, method, path) => {
    expect(methodPath(type, id, method)).toBe(path)
    expect(path.split('/').map(decodeURIComponent).join('/')).toBe(`/actors/${type}/${id}/method/${method}`)
  })

  it.each(['..', '.', '../x', 'a/../../x', 'a/./b', 'a/..'])('refuse a method that would leave its actor: %s', method => {
    expect(() => methodPath('T', 'i', method)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }))
  })

  it('of reminders, timers and actors', () => {
    expect(reminderPath('T', 'a b', 'n|1')).toBe('/actors/T/a%20b/method/remind/n%7C1')
    expect(timerPath('T', 'a b', 'n 1')).toBe('/actors/T/a%20b/method/timer/n%201')
    expect(actorPath('T', 'a|b')).toBe('/actors/T/a%7Cb')
  })
})
