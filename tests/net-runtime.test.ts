import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EchoServers, openEcho } from './echo.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { type Lab, openLab } from './module-lab.ts'

let lab: Lab
let server: Loopback
let echo: EchoServers
const inside = () => `net:127.0.0.1:${server.port}`
const ask = async (hook = 'chat:before_ai') => (await lab.hook(hook, { input: {} })).modifications?.['input'] as Record<string, unknown>

beforeAll(async () => {
  server = await openLoopback()
  echo = await openEcho()
  lab = await openLab()
  await lab.write('plugin', `type: plugin\nhooks: [chat:before_ai]\npermissions: [log, "${inside()}", "net:example.org"]`, `
    const attempt = async (run) => { try { return await run() } catch (error) { return error.name + ': ' + error.message } }
    export default { hooks: { async 'chat:before_ai'(ctx) {
      const got = await attempt(async () => (await (await fetch('http://127.0.0.1:${server.port}/json')).json()).hello)
      return { action: 'continue', modifications: { input: { got } } }
    } } }`)
  await lab.write('daemon', `type: daemon\nhooks: [product:before_ai]\npermissions: [log, "${inside()}", "net:127.0.0.1:${echo.port}"]`, `
    let socket, answers = 0, events = 0, closed = 0, parts = 0, echoed = 0
    export default {
      async start() {
        socket = new WebSocket('ws://127.0.0.1:${server.port}/ws')
        socket.onmessage = () => answers++
        socket.onclose = () => closed++
        setInterval(() => socket.readyState === 1 && socket.send('tick'), 200)
        const { body } = await fetch('http://127.0.0.1:${server.port}/endless')
        ;(async () => { for await (const part of body) parts += part.length })()
        const conn = await Deno.connect({ port: ${echo.port} })
        setInterval(() => conn.write(new Uint8Array(1)).catch(() => closed++), 200)
        ;(async () => { for await (const part of conn.readable) echoed += part.length; closed++ })()
      },
      hooks: { 'product:before_ai': () => ({ action: 'continue', modifications: { output: { answers, closed, parts, echoed, state: socket?.readyState } } }) },
    }`)
  await lab.start()
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await echo[Symbol.asyncDispose]()
})

test('a manifest alone opens no address that is not public; an operator does, and takes it back, for what runs', async () => {
  expect(lab.runtime.permissions.list('plugin').filter(({ granted }) => granted).map(({ permission }) => permission)).toEqual(['log', 'net:example.org'])
  expect(await ask()).toMatchObject({ got: `NotCapable: cannot fetch http://127.0.0.1:${server.port}/json, the module has not been granted "${inside()}"` })
  await lab.runtime.permissions.grant('plugin', [inside()], 'test')
  expect(await ask()).toMatchObject({ got: 'world' })
  await lab.runtime.permissions.revoke('plugin', [inside()], 'test')
  expect((await ask())['got']).toMatch(/^NotCapable/)
})

test("what a daemon has open outlasts each execution of its background, and ends with the daemon", { timeout: 60_000 }, async () => {
  await lab.runtime.permissions.grant('daemon', [inside(), `net:127.0.0.1:${echo.port}`], 'test')
  await lab.runtime.reload('daemon')
  const told = async () => (await lab.hook('product:before_ai', { output: {} })).modifications?.['output'] as Record<'answers' | 'closed' | 'parts' | 'echoed' | 'state', number>
  await expect.poll(async () => (await told()).answers, { timeout: 10_000 }).toBeGreaterThan(2)
  const begun = Date.now()
  // An execution of a background is ten seconds; the second one has it by then, and the first could not have handed it on any more.
  await expect.poll(() => Date.now() - begun, { timeout: 30_000, interval: 500 }).toBeGreaterThan(14_000)
  const before = await told()
  expect(before).toMatchObject({ closed: 0, state: 1 })
  await expect.poll(async () => (await told()).answers, { timeout: 10_000 }).toBeGreaterThan(before.answers + 3)
  await expect.poll(async () => (await told()).parts, { timeout: 10_000 }).toBeGreaterThan(before.parts)
  await expect.poll(async () => (await told()).echoed, { timeout: 10_000 }).toBeGreaterThan(before.echoed)
  await lab.runtime.disable('daemon')
  await expect.poll(() => echo.open, { timeout: 15_000 }).toBe(0)
  await expect.poll(() => server.waiting, { timeout: 15_000 }).toBe(0)
})
