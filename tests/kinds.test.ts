import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

const stateOf = (name: string) => lab.runtime.module(name).status

describe('lifecycle', () => {
  beforeAll(async () => {
    await lab.write('daemon', 'type: daemon\nhooks: [chat:before_ai]', `
      let running = false
      export default {
        state: new Map(),
        onLoad() { this.state.set('steps', ['onLoad']) },
        start() { running = true; this.state.get('steps').push('start') },
        stop() { running = false },
        isRunning() { return running },
        healthCheck() { return { healthy: running } },
        handle(hook, ctx) {
          if (ctx.message?.content === 'count') this.state.set('count', (this.state.get('count') ?? 0) + 1)
          return { action: 'continue', modifications: { output: Object.fromEntries(this.state) } }
        },
      }`)
    await lab.write('classy', 'type: service', `
      class Classy {
        async start() { this.started = true }
        async healthCheck() { return { healthy: this.started, message: 'not started' } }
        getService() { return { greet: (name) => 'hello ' + name } }
      }
      export default new Classy()`)
    await lab.write('ticker', 'type: daemon\npermissions: [emit]', `
      export default {
        start(ctx) {
          let n = 0
          this.timer = setInterval(() => ctx.emit('ticked', { n: ++n }), 20)
        },
        stop() { clearInterval(this.timer) },
      }`)
    await lab.write('sick', '', `export default { healthCheck: () => ({ healthy: false, message: 'I have a cold' }) }`)
    await lab.write('plug', 'type: plugin\nprovides: colours\nhooks: [product:before_ai]', `
      export default { handle: () => ({ action: 'continue', modifications: { input: { loaded: true } } }) }`)
    await lab.start()
  })
  afterAll(() => lab.stop())

  test('a module is loaded, started and found healthy before it is ready; its capabilities are shown', () => {
    expect(lab.runtime.module('daemon')).toMatchObject({
      status: 'ready', type: 'daemon',
      capabilities: { hooks: ['chat:before_ai'], lifecycle: ['start', 'stop', 'isRunning', 'healthCheck'], service: [], jobs: [] },
    })
    expect(lab.runtime.module('classy')).toMatchObject({ status: 'ready', capabilities: { service: ['greet'] } })
  })

  test("a daemon's timers run on between calls, with what its start was given", async () => {
    await vi.waitFor(async () => {
      const { items } = await lab.runtime.records.listExtractions({ module: 'ticker', limit: 200 })
      expect(items.length).toBeGreaterThan(5)
    }, { timeout: 30_000 })
    await lab.runtime.disable('ticker')
    const before = (await lab.runtime.records.listExtractions({ module: 'ticker', limit: 200 })).items.length
    await new Promise((done) => setTimeout(done, 100))
    expect((await lab.runtime.records.listExtractions({ module: 'ticker', limit: 200 })).items.length).toBe(before)
  })

  test('one that is not healthy is an error with its own words', () => {
    expect(lab.runtime.module('sick')).toMatchObject({
      status: 'error', error: { code: 'UNHEALTHY', message: 'sick is not healthy, it says: I have a cold' },
    })
  })

  test('a plugin is loaded by its first use', async () => {
    expect(stateOf('plug')).toBe('idle')
    expect((await lab.hook('product:before_ai', { input: {} })).modifications).toEqual({ input: { loaded: true } })
    expect(stateOf('plug')).toBe('ready')
  })

  test('the state Map is carried over a reload', async () => {
    await lab.hook('chat:before_ai', { message: { content: 'count' } })
    await lab.runtime.reload('daemon')
    const { modifications } = await lab.hook('chat:before_ai', { message: { content: 'count' } })
    expect(modifications?.output).toMatchObject({ count: 2 })
  })
})

describe('needs', () => {
  const plain = 'export default {}'
  beforeAll(async () => {
    await lab.write('base', 'version: 1.2.0\nprovides: [clock]', plain)
    await lab.write('middle', 'dependencies: { base: ^1.0.0 }', plain)
    await lab.write('top', 'dependencies: [middle]\nrequires: { core: ">=0.1.0", clock: "*" }', plain)
    await lab.write('lonely', 'dependencies: { nobody: "*" }', plain)
    await lab.write('behind', 'dependencies: [lonely]', plain)
    await lab.write('ring-a', 'dependencies: [ring-b]', plain)
    await lab.write('ring-b', 'dependencies: [ring-a]', plain)
    await lab.write('slot-a', 'slot: only', plain)
    await lab.write('slot-b', 'slot: only', plain)
    lab.events.length = 0
    await lab.start()
  })
  afterAll(() => lab.stop())

  test('what is needed is ready first', () => {
    const ready = lab.events.flatMap((event) => (event.type === 'module:ready' ? [event.module] : []))
    expect(ready.filter((name) => ['base', 'middle', 'top'].includes(name))).toEqual(['base', 'middle', 'top'])
  })

  test('only what depends on a fault stays down, and says why', () => {
    expect(lab.runtime.module('lonely')).toMatchObject({ status: 'error', error: { code: 'DEPENDENCY' } })
    expect(lab.runtime.module('behind')).toMatchObject({ status: 'waiting', error: { message: 'cannot start behind, it waits for lonely' } })
    expect(lab.runtime.module('ring-a').error?.message).toContain('ring-a → ring-b → ring-a')
    expect([stateOf('slot-a'), stateOf('slot-b')]).toEqual(['ready', 'error'])
  })

  test('a dependency that goes down takes its dependants to waiting, and brings them back', async () => {
    await lab.runtime.disable('base')
    await vi.waitFor(() => expect([stateOf('middle'), stateOf('top')]).toEqual(['waiting', 'waiting']), 30_000)
    await lab.runtime.enable('base')
    await vi.waitFor(() => expect([stateOf('middle'), stateOf('top')]).toEqual(['ready', 'ready']), { timeout: 30_000 })
  })

  test('the slot passes on when its holder is disabled', async () => {
    await lab.runtime.disable('slot-a')
    await vi.waitFor(() => expect(stateOf('slot-b')).toBe('ready'), { timeout: 30_000 })
  })

  test('they stop in reverse', async () => {
    lab.events.length = 0
    await lab.stop()
    const stopped = lab.events.flatMap((event) => (event.type === 'module:stopped' ? [event.module] : []))
    expect(stopped.filter((name) => ['base', 'middle', 'top'].includes(name))).toEqual(['top', 'middle', 'base'])
    await lab.start()
  })
})

describe('messages and jobs', () => {
  beforeAll(async () => {
    await lab.write('greeter', 'type: service', `
      export default {
        getService: () => ({
          greet: (name) => 'hello ' + name,
          fail: () => { throw new RangeError('no luck') },
          back: (ctx) => ctx.call('asker', 'ask'),
          context: (ctx) => typeof ctx.emit,
        }),
      }`)
    await lab.write('asker', 'hooks: [product:before_ai]\npermissions: ["module:greeter", "topic:news.*"]', `
      export default {
        getService: () => ({ ask: () => 'asked' }),
        async handle(hook, ctx) {
          const { want } = ctx.input
          const greeter = ctx.getService('greeter')
          const wants = {
            greet: () => greeter.greet('Ann'),
            fail: () => greeter.fail(),
            unknown: () => greeter.gret(),
            nobody: () => ctx.call('nobody', 'x'),
            forbidden: () => ctx.call('reader', 'x'),
            publish: () => ctx.publish('news.today', { n: 1 }),
            elsewhere: () => ctx.publish('secrets.today', {}),
            awaited: async () => typeof (await greeter),
          }
          const said = await wants[want]().catch((error) => error.name + ': ' + error.message)
          return { action: 'continue', modifications: { output: { said } } }
        },
      }`)
    await lab.write('reader', 'subscribe: ["news.**"]\npermissions: [emit]', `
      export default { topics: { async 'news.**'(message, ctx) { await ctx.emit('heard', { from: message.from, ...message.data }) } } }`)
    await lab.write('clockwork', 'intervals: { tick: { everyMs: 100 } }\nschedules: { chime: { cron: "* * * * * *" } }\npermissions: [emit]', `
      export default { jobs: { tick: (ctx) => ctx.emit('tick', {}), chime: (ctx) => ctx.emit('chime', {}) } }`)
    await lab.start()
  })
  afterAll(() => lab.stop())

  const ask = async (want: string) => (await lab.hook('product:before_ai', { input: { want } })).modifications?.output?.['said']

  test.each([
    ['greet', 'hello Ann'],
    ['fail', expect.stringContaining('no luck')],
    ['unknown', expect.stringContaining('did you mean "greet"')],
    ['forbidden', expect.stringMatching(/^NotCapable: .*"module:reader"/)],
    ['elsewhere', expect.stringMatching(/^NotCapable: .*"topic:secrets.today"/)],
    ['awaited', 'object'],
    ['publish', 1],
  ])('a module that wants to %s is answered', async (want, answer) => {
    expect(await ask(want)).toEqual(answer)
  })

  test('who subscribes is told who published, by the host', async () => {
    await vi.waitFor(async () => {
      const { items } = await lab.runtime.records.listExtractions({ type: 'heard' })
      expect(items).toMatchObject([{ module: 'reader', data: { from: 'asker', n: 1 } }])
    }, { timeout: 30_000 })
  })

  test('jobs run at their intervals and times, and say so', async () => {
    await vi.waitFor(async () => {
      expect(lab.runtime.module('clockwork').jobs).toMatchObject([
        { name: 'tick', kind: 'interval', last: { error: null } },
        { name: 'chime', kind: 'schedule', last: { error: null }, nextAt: expect.any(String) },
      ])
      const { items } = await lab.runtime.records.listExtractions({ module: 'clockwork' })
      expect(new Set(items.map(({ type }) => type))).toEqual(new Set(['tick', 'chime']))
    }, { timeout: 30_000 })
  })
})

describe('a version that does not want to go', () => {
  afterAll(() => lab.stop())

  test('is replaced without the state that it does not say', async () => {
    await lab.write('mute', '', `export default { getState() { throw new Error('no') } }`)
    await lab.start()
    await lab.write('mute', 'version: 1.0.1', 'export default {}')
    expect(await lab.runtime.reload('mute')).toMatchObject({ version: '1.0.1', status: 'ready', error: null })
  })
})

describe('the end', () => {
  test('a module that does not finish, and one that does not leave, keep nobody from stopping', async () => {
    const limits = 'limits: { maxExecutionMs: 600000, maxCpuMs: 600000 }'
    await lab.write('clinger', `hooks: [chat:after_ai]\n${limits}`, 'export default { handle: () => new Promise(() => {}), onUnload() { for (;;); } }')
    await lab.start()
    const pending = lab.hook('chat:after_ai', { response: 'x' })
    await vi.waitFor(() => expect(lab.runtime.module('clinger').status).toBe('ready'), 30_000)
    await lab.stop()
    expect((await pending).failures).toMatchObject([{ module: 'clinger', code: 'CELL_LOST' }])
  })
})
