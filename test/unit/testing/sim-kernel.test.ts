import { describe, expect, it } from 'vitest'
import { sleep } from '../../../core/clock.ts'
import { SimKernel } from '../../../runtime/testing/sim-kernel.ts'
import { SimNetwork } from '../../../runtime/testing/sim-network.ts'
import type { SimSocket } from '../../../runtime/testing/sim-socket.ts'
import type { SimProcess } from '../../../runtime/testing/sim-process.ts'

describe('the kernel', () => {
  it('runs events by time, those of one time in the order they were made, and all their promise jobs in between', async () => {
    const kernel = new SimKernel({ seed: 1 })
    const seen: string[] = []
    const jobs = async (name: string): Promise<void> => {
      for (let i = 0; i < 50; i++) await Promise.resolve()
      seen.push(`${name} at ${kernel.nowMs}`)
    }
    kernel.after(20, () => void jobs('c'))
    kernel.after(10, () => void jobs('a'))
    kernel.after(10, () => void jobs('b'))
    await kernel.run(15)
    expect(seen).toEqual(['a at 10', 'b at 10'])
    expect(kernel.nowMs).toBe(15)
    await kernel.run(5)
    expect(seen.at(-1)).toBe('c at 20')
  })

  it('passes on what an event throws, and goes on after it', async () => {
    const kernel = new SimKernel({ seed: 1 })
    kernel.after(1, () => { throw new Error('boom') })
    await expect(kernel.run(5)).rejects.toThrow('boom')
    await kernel.run(5)
  })

  it('says so when something repeats itself without letting time pass', async () => {
    const kernel = new SimKernel({ seed: 1 })
    const again = (): void => void kernel.after(0, again)
    again()
    await expect(kernel.run(1)).rejects.toThrow('without letting time pass')
  })

  it('runs ten thousand sleeps of ten thousand processes in the order of their ends', async () => {
    const kernel = new SimKernel({ seed: 3 })
    const ends: number[] = []
    for (let i = 0; i < 10_000; i++) {
      void sleep(kernel.process('p'), kernel.random.float() * 1_000).then(() => ends.push(kernel.nowMs))
    }
    await kernel.run(1_000)
    expect(ends).toHaveLength(10_000)
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
  })
})

describe('a process', () => {
  const ticking = (kernel: SimKernel, process: SimProcess): number[] => {
    const ticks: number[] = []
    const tick = (): void => {
      ticks.push(kernel.nowMs)
      process.after(100, tick)
    }
    process.after(100, tick)
    return ticks
  }

  it('that is frozen runs what fell due when it is thawed', async () => {
    const kernel = new SimKernel({ seed: 1 })
    const process = kernel.process('p')
    const ticks = ticking(kernel, process)
    await kernel.run(250)
    process.freeze('goes on')
    await kernel.run(500)
    expect(ticks).toEqual([100, 200])
    expect(process.monotonicMs()).toBe(750)
    process.thaw()
    await kernel.run(150)
    expect(ticks).toEqual([100, 200, 750, 850])
  })

  it('whose machine is stopped does not notice that time passed', async () => {
    const kernel = new SimKernel({ seed: 1 })
    const process = kernel.process('p')
    const ticks = ticking(kernel, process)
    await kernel.run(250)
    process.freeze('stands')
    await kernel.run(500)
    expect(process.monotonicMs()).toBe(250)
    process.thaw()
    await kernel.run(150)
    expect(ticks).toEqual([100, 200, 800, 900])
  })

  it('that is dead does nothing any more', async () => {
    const kernel = new SimKernel({ seed: 1 })
    const process = kernel.process('p')
    const ticks = ticking(kernel, process)
    let mourned = false
    process.onDeath(() => { mourned = true })
    await kernel.run(150)
    process.kill()
    await kernel.run(500)
    expect(ticks).toEqual([100])
    expect(mourned).toBe(true)
  })

  it('may have a wall clock that jumps and a monotonic one that goes wrong', async () => {
    const kernel = new SimKernel({ seed: 1, wallStartMs: 1_000 })
    const process = kernel.process('p')
    process.jumpWall(-400)
    process.setRate(0.5)
    const ticks = ticking(kernel, process)
    await kernel.run(300)
    expect(process.wallMs()).toBe(900)
    expect(process.monotonicMs()).toBe(150)
    expect(ticks).toEqual([200])
  })
})

describe('the network', () => {
  const connected = async (kernel: SimKernel, network: SimNetwork) => {
    const [a, b] = [kernel.process('a'), kernel.process('b')]
    const heard: string[] = []
    let far!: SimSocket<string>
    const address = network.listen<string>(b, 'b', 0, socket => {
      far = socket
      socket.listen({ onMessage: text => heard.push(text), onEnd: () => heard.push('end'), onClosed: reason => heard.push(`closed: ${reason}`) })
    })
    const near = network.dial<string>(a, address, 3_000)
    const back: string[] = []
    near.listen({ onMessage: text => back.push(text), onEnd: () => back.push('end'), onClosed: (reason, refused) => back.push(refused ? 'refused' : `closed: ${reason}`) })
    await kernel.run(20)
    return { a, b, near, far, heard, back, address }
  }
  const kernelAndNetwork = (): [SimKernel, SimNetwork] => {
    const kernel = new SimKernel({ seed: 9 })
    return [kernel, new SimNetwork(kernel)]
  }
  const numbers = Array.from({ length: 100 }, (_, i) => String(i))

  it('delivers in order, once, later', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { near, heard } = await connected(kernel, network)
    for (const n of numbers) near.write(n)
    expect(heard).toEqual([])
    await kernel.run(20)
    expect(heard).toEqual(numbers)
  })

  it('holds back what a cut direction carries, and loses none of it when it heals soon', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { near, far, heard, back } = await connected(kernel, network)
    network.cut('a', 'b')
    for (const n of numbers) near.write(n)
    far.write('other way')
    await kernel.run(1_000)
    expect(heard).toEqual([])
    expect(back).toEqual(['other way'])
    network.heal('a', 'b')
    near.write('last')
    await kernel.run(500)
    expect(heard).toEqual([...numbers, 'last'])
  })

  it('breaks a stream whose one end is silent for long, at both ends', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { heard, back } = await connected(kernel, network)
    network.cut('a', 'b')
    await kernel.run(6_000)
    expect(heard).toEqual(['closed: no sign of life from the peer'])
    expect(back).toEqual(['closed: no sign of life'])
  })

  it('tells of a death at once, and refuses who dials the dead', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { a, b, back, address } = await connected(kernel, network)
    expect(await kernel.settled(network.probe(a, address, 1_000), 2_000)).toBe('reached')
    b.kill()
    await kernel.run(20)
    expect(back).toEqual(['closed: connection reset by peer'])
    const again = network.dial<string>(a, address, 3_000)
    again.listen({ onMessage: () => undefined, onEnd: () => undefined, onClosed: (_, refused) => back.push(refused ? 'refused' : 'closed') })
    await kernel.run(20)
    expect(back.at(-1)).toBe('refused')
    expect(await kernel.settled(network.probe(a, address, 1_000), 2_000)).toBe('refused')
    network.cut('b', 'a')
    expect(await kernel.settled(network.probe(a, address, 1_000), 2_000)).toBe('unknown')
  })

  it('lets what a frozen process is sent wait, in order', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { b, near, heard } = await connected(kernel, network)
    b.freeze('goes on')
    for (const n of numbers) near.write(n)
    await kernel.run(100)
    expect(heard).toEqual([])
    b.thaw()
    await kernel.run(1)
    expect(heard).toEqual(numbers)
  })

  it('loses what is on its way with a reset', async () => {
    const [kernel, network] = kernelAndNetwork()
    const { near, heard, back } = await connected(kernel, network)
    for (const n of numbers) near.write(n)
    network.reset('a', 'b')
    await kernel.run(50)
    expect(heard).toEqual(['closed: connection reset'])
    expect(back).toEqual(['closed: connection reset'])
  })
})
