import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bulkheadIn, CLI } from '../api/cli/cli.setup.ts'

// Of a machine that does other things as well.
const PATIENT = { timeout: 60_000 }
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-inspect-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

interface Run extends AsyncDisposable {
  process: ChildProcess
  /** Where the debugger attaches. */
  url: URL
  said(): string
  ended: Promise<number | null>
}

/** `bulkhead run` on a script, until it says where a debugger may attach. */
async function run(code: string, ...args: string[]): Promise<Run> {
  await writeFile(join(folder, 'main.ts'), code)
  return start(...args, 'main.ts')
}

async function start(...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, [CLI, 'run', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  const ended = once(child, 'close').then(([exitCode]) => exitCode as number | null)
  const end = async () => {
    child.kill('SIGKILL')
    await ended
  }
  await expect.poll(() => said, PATIENT).toMatch(/ws:\/\/\S+\n/).catch(async (thrown: unknown) => {
    await end()
    throw thrown
  })
  return { process: child, url: new URL(/ws:\/\/\S+/.exec(said)?.[0] ?? ''), said: () => said, ended, [Symbol.asyncDispose]: end }
}

async function open(url: URL): Promise<WebSocket> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  return socket
}

interface Debugger extends Disposable {
  socket: WebSocket
  ask(method: string, params?: object): Promise<Record<string, unknown>>
  /** The next event of that name, those that came before among them. */
  event(name: string): Promise<Record<string, unknown>>
}

/** Once whoever was there before has left. */
async function attach(url: URL): Promise<Debugger> {
  let opened: WebSocket | undefined
  await expect.poll(async () => (opened = await open(url).catch(() => undefined)), PATIENT).toBeDefined()
  const socket = opened!
  const waiting = new Map<number, (result: Record<string, unknown>) => void>()
  const events: Array<{ method: string; params: Record<string, unknown> }> = []
  let lastId = 0
  socket.on('message', (data) => {
    const message = JSON.parse(String(data)) as { id?: number; result?: Record<string, unknown>; error?: Record<string, unknown>; method: string; params: Record<string, unknown> }
    if (message.id === undefined) return events.push(message)
    return waiting.get(message.id)?.(message.result ?? { error: message.error })
  })
  return {
    socket,
    ask: (method, params = {}) =>
      new Promise((done) => {
        waiting.set(++lastId, done)
        socket.send(JSON.stringify({ id: lastId, method, params }))
      }),
    async event(name) {
      await expect.poll(() => events.some(({ method }) => method === name), PATIENT).toBe(true)
      const [event] = events.splice(events.findIndex(({ method }) => method === name), 1)
      return event?.params ?? {}
    },
    [Symbol.dispose]: () => socket.terminate(),
  }
}

type Paused = { callFrames: Array<{ callFrameId: string; functionName: string; url: string }> }
type Evaluated = { result: { value: unknown } }

/** What the debugger's HTTP side answers. */
function get(url: URL, path: string, headers: Record<string, string> = {}): Promise<{ status: number | undefined; text: string }> {
  return new Promise((done, fail) => {
    const asked = request({ host: '127.0.0.1', port: url.port, path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part)).on('end', () => done({ status: response.statusCode, text }))
    })
    asked.on('upgrade', (response, socket) => {
      socket.destroy()
      done({ status: response.statusCode, text: '' })
    })
    asked.on('error', fail).end()
  })
}

describe('bulkhead run --inspect', { timeout: 240_000 }, () => {
  test('--inspect-brk pauses before the first statement, and a debugger looks, sets breakpoints and steps', async () => {
    await writeFile(join(folder, 'lib.ts'), 'export const double = (value: number): number => value * 2\n')
    await using script = await run("import { double } from './lib.ts'\nfunction work(value: number): number {\n  const doubled = double(value)\n  debugger\n  return doubled + 1\n}\nconsole.log(work(20))\n", '--inspect-brk=0')
    using cdp = await attach(script.url)
    await cdp.ask('Runtime.enable')
    await cdp.ask('Debugger.enable')
    await cdp.ask('Runtime.runIfWaitingForDebugger')
    const first = (await cdp.event('Debugger.paused')) as Paused
    expect(first.callFrames[0]?.functionName).toBe('')
    expect(script.said()).not.toMatch(/^\d+$/m)

    const parsed = await cdp.event('Debugger.scriptParsed').then(async function own(event): Promise<Record<string, unknown>> {
      return event['url'] === 'bulkhead:///script' ? event : own(await cdp.event('Debugger.scriptParsed'))
    })
    const map = JSON.parse(Buffer.from(String(parsed['sourceMapURL']).split(',')[1] ?? '', 'base64').toString()) as { sources: string[] }
    expect(map.sources).toContain(pathToFileURL(join(folder, 'lib.ts')).href)

    await cdp.ask('Debugger.resume')
    const second = (await cdp.event('Debugger.paused')) as Paused
    expect(second.callFrames[0]?.functionName).toBe('work')
    const { callFrameId } = second.callFrames[0]!
    expect(((await cdp.ask('Debugger.evaluateOnCallFrame', { callFrameId, expression: '[value, doubled]', returnByValue: true })) as Evaluated).result.value).toEqual([20, 40])
    await cdp.ask('Debugger.evaluateOnCallFrame', { callFrameId, expression: 'doubled = 50' })
    await cdp.ask('Debugger.stepOver')
    await cdp.event('Debugger.paused')
    await cdp.ask('Debugger.resume')
    expect(await script.ended).toBe(0)
    expect(script.said()).toMatch(/^51$/m)
  })

  test('everything that is said while it pauses is heard', async () => {
    await using script = await run('debugger\nconsole.log("over")', '--inspect-wait=0')
    using cdp = await attach(script.url)
    await cdp.ask('Debugger.enable')
    await cdp.ask('Runtime.runIfWaitingForDebugger')
    const { callFrames } = (await cdp.event('Debugger.paused')) as Paused
    const asked = Array.from({ length: 300 }, (_, index) => cdp.ask('Debugger.evaluateOnCallFrame', { callFrameId: callFrames[0]?.callFrameId, expression: `${index} * 2` }) as Promise<Evaluated>)
    expect((await Promise.all(asked)).map(({ result }) => result.value)).toEqual(asked.map((_, index) => index * 2))
    await cdp.ask('Debugger.resume')
    expect(await script.ended).toBe(0)
  })

  test('a debugger may attach to what is served, and leaves nothing paused', async () => {
    await using script = await run("Deno.serve({ port: 0 }, () => { const secret = 7; debugger; return new Response(String(secret)) })", '--inspect=0')
    await expect.poll(script.said, PATIENT).toMatch(/Listening on http:\/\/\S+/)
    const address = /Listening on (http:\/\/[^/\s]+)/.exec(script.said())?.[1] ?? ''
    const answer = async () => (await fetch(address)).text()
    expect(await answer()).toBe('7')
    {
      using cdp = await attach(script.url)
      await cdp.ask('Debugger.enable')
      const answered = answer()
      await cdp.event('Debugger.paused')
      cdp.socket.close()
      expect(await answered).toBe('7')
    }
    using again = await attach(script.url)
    await again.ask('Runtime.enable')
    const contexts = [await again.event('Runtime.executionContextCreated'), await again.event('Runtime.executionContextCreated')] as Array<{ context: { id: number; name: string } }>
    const contextId = contexts.find(({ context }) => context.name === '<isolated-vm>')?.context.id
    expect(((await again.ask('Runtime.evaluate', { expression: 'typeof Deno.serve', contextId })) as Evaluated).result.value).toBe('function')
    script.process.kill('SIGTERM')
    expect(await script.ended).toBe(0)
  })

  test('what is paused is ended with the command', async () => {
    await using script = await run("Deno.serve({ port: 0 }, () => { debugger; return new Response('x') })", '--inspect=0')
    await expect.poll(script.said, PATIENT).toMatch(/Listening on http:\/\/\S+/)
    using cdp = await attach(script.url)
    await cdp.ask('Debugger.enable')
    void fetch(/Listening on (http:\/\/[^/\s]+)/.exec(script.said())?.[1] ?? '').catch(() => {})
    await cdp.event('Debugger.paused')
    script.process.kill('SIGTERM')
    expect(await script.ended).toBe(0)
  })

  test('what is debugged has no limits of time, which hold without a debugger', async () => {
    const module = join(folder, 'short')
    await bulkheadIn({ cwd: folder }, 'module:create', 'short', '--folder', module)
    await writeFile(join(module, 'module.yaml'), 'name: short\nversion: 1.0.0\ndescription: Short of time\npermissions: [log]\nlimits: { maxExecutionMs: 500, maxCpuMs: 500 }\n')
    await writeFile(join(module, 'index.ts'), "const until = Date.now() + 2_000\nwhile (Date.now() < until);\nconsole.log('done')\n")
    expect(await bulkheadIn({ cwd: folder }, 'run', 'short')).toMatchObject({ code: 124 })
    await using script = await start('--inspect-brk=0', 'short')
    using cdp = await attach(script.url)
    await cdp.ask('Debugger.enable')
    await cdp.ask('Runtime.runIfWaitingForDebugger')
    await cdp.event('Debugger.paused')
    await cdp.ask('Debugger.resume')
    expect([await script.ended, script.said()]).toEqual([0, expect.stringContaining('done\n')])
  })

  test('pages, other names for this machine, and a second debugger are refused', async () => {
    await using script = await run('console.log(1)', '--inspect-wait=0')
    const { url } = script
    const [host, path] = [url.host, url.pathname]
    const list = await get(url, '/json/list', { host })
    expect(JSON.parse(list.text)).toMatchObject([{ type: 'node', title: pathToFileURL(join(folder, 'main.ts')).href, webSocketDebuggerUrl: url.href }])
    expect(JSON.parse((await get(url, '/json/version', { host: `localhost:${url.port}` })).text)).toMatchObject({ 'Protocol-Version': '1.3' })
    expect(await get(url, '/', { host })).toMatchObject({ status: 404 })

    const evil = [{ host: 'evil.example' }, { host: `evil.example:${url.port}` }, { host: `127.0.0.1.evil.example:${url.port}` }, { host, origin: 'http://evil.example' }, { host, origin: 'null' }, { host, origin: `http://${host}` }]
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' }
    for (const headers of evil) {
      expect([headers, (await get(url, '/json/list', headers)).status]).toEqual([headers, 403])
      expect([headers, (await get(url, path, { ...headers, ...upgrade })).status]).toEqual([headers, 403])
    }
    expect(await get(url, '/ws/another', { host, ...upgrade })).toMatchObject({ status: 404 })

    using first = await attach(url)
    expect(await get(url, path, { host, ...upgrade })).toMatchObject({ status: 409 })
    await first.ask('Runtime.runIfWaitingForDebugger')
    expect(await script.ended).toBe(0)
  })

  test('who says what no debugger says is let go, and the script waits on', async () => {
    await using script = await run('console.log("went on")', '--inspect-wait=0')
    for (const message of ['nonsense', 'null', '{"id":1}', '{"id":"a","method":"Debugger.enable"}', '{"id":-1,"method":"Debugger.enable"}', '{"id":2000000000,"method":"Debugger.enable"}']) {
      using liar = await attach(script.url)
      liar.socket.send(message)
      expect([message, await once(liar.socket, 'close')]).toEqual([message, [1007, expect.anything()]])
    }
    using cdp = await attach(script.url)
    await cdp.ask('Runtime.runIfWaitingForDebugger')
    expect([await script.ended, script.said()]).toEqual([0, expect.stringContaining('went on\n')])
  })

  test.each([
    [['run', '--inspect=0.0.0.0:9229', 'main.ts'], '--inspect=0.0.0.0:9229 cannot be given, it takes a port'],
    [['run', '--inspect=', 'main.ts'], 'it takes a port'],
    [['run', '--inspect-brk=99999', 'main.ts'], 'it takes a port'],
    [['run', '--inspect', '--inspect-brk', 'main.ts'], '--inspect-brk cannot be given beside --inspect'],
    [['test', '--inspect'], '--inspect cannot be given, a debugger attaches to what bulkhead run runs'],
    [['run', '--inspect', 'hooked', '--hook', 'chat:before_ai'], 'a debugger attaches to a script or to a module that is run without --hook'],
  ])('%j is refused', async (args, message) => {
    await writeFile(join(folder, 'main.ts'), '')
    if (args.includes('hooked')) await bulkheadIn({ cwd: folder }, 'module:create', 'hooked', '--folder', join(folder, 'hooked'))
    const { code, stderr } = await bulkheadIn({ cwd: folder }, ...args)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})
