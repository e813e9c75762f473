import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

let lab: Lab

const quiet = `export default { hooks: { 'chat:before_ai': () => null } }`
const publisher = `export default { hooks: { async 'chat:after_ai'(ctx) {
  await Promise.all(Array.from({ length: 100 }, (_, n) => ctx.publish('go.on', n)))
} } }`
const slowReader = `export default {
  hooks: { 'chat:before_ai': () => null },
  topics: { 'go.*': () => new Promise((done) => setTimeout(done, 2_000)) },
}`
const caller = (other: string) => `export default {
  hooks: { async 'product:after_ai'(ctx) {
    return { action: 'continue', modifications: { output: { said: await ctx.call('${other}', 'ask') } } }
  } },
  getService: () => ({ ask: (ctx) => ctx.call('${other}', 'ask').catch((error) => error.message) }),
}`

beforeAll(async () => {
  lab = await openLab()
  await lab.write('slow-plugin', 'type: plugin\nhooks: [product:before_ai]', `
    await new Promise((done) => setTimeout(done, 500))
    export default { hooks: { 'product:before_ai': () => null } }`)
  await lab.write('neighbour', 'hooks: [chat:before_ai]', quiet)
  await lab.write('thrower', 'type: service\nhooks: [chat:after_ai]\npermissions: [log]', `
    export default { hooks: { 'chat:after_ai': () => new Promise((done) => {
      for (let n = 0; n < 100; n++) setInterval(() => { throw new Error('again') }, 10)
      setTimeout(done, 2_000)
    }) } }`)
  await lab.write('publisher', 'hooks: [chat:after_ai]\npermissions: ["topic:go.on"]', publisher)
  await lab.write('reader', 'hooks: [chat:before_ai]\nsubscribe: ["go.*"]\nlimits: { maxConcurrency: 4 }', slowReader)
  await lab.write('one', 'type: service\nhooks: [product:after_ai]\npermissions: ["module:other"]', caller('other'))
  await lab.write('other', 'type: service\npermissions: ["module:one"]', caller('one'))
  await lab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

describe('a hostile module', () => {
  test('that ends the cell in which a plugin is being loaded does not keep the plugin down', async () => {
    const first = lab.hook('product:before_ai', { input: {} })
    await vi.waitFor(() => expect(lab.eventsOf('slow-plugin')).toContain('module:starting'), 30_000)
    process.kill(lab.runtime.module('neighbour').cell as number, 'SIGKILL')
    await first
    await vi.waitFor(() => expect(lab.runtime.module('slow-plugin').status).toBe('ready'), { timeout: 30_000 })
    expect((await lab.hook('product:before_ai', { input: {} })).failures).toEqual([])
  })

  test('whose timers throw without end does not end its cell', async () => {
    await vi.waitFor(() => expect(lab.runtime.module('thrower').status).toBe('ready'), 30_000)
    lab.events.length = 0
    await lab.hook('chat:after_ai')
    expect(lab.events.filter(({ type }) => type.startsWith('cell:'))).toEqual([])
  })

  test('that publishes more than a subscriber reads keeps none of its hooks waiting', async () => {
    await lab.hook('chat:after_ai')
    const { failures } = await lab.hook('chat:before_ai')
    expect(failures).toEqual([])
    expect(lab.events.filter((event) => event.type === 'module:hook_error' && event.hook === 'chat:before_ai')).toEqual([])
  })

  test('that is a service cannot call who waits for it', async () => {
    const { modifications, failures } = await lab.hook('product:after_ai', { output: {} })
    expect(failures).toEqual([])
    expect(modifications?.output?.['said']).toContain('cannot call one, it waits for this call')
  })
})
