import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))
const MODULES = fileURLToPath(new URL('../modules', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'main-'))
})
/** All that were started; a test that runs out of time leaves its own behind. */
const started: ChildProcess[] = []
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

interface Run extends AsyncDisposable {
  child: ChildProcess
  output: { stdout: string; stderr: string }
  /** The exit code, or the signal that ended it. */
  exit: Promise<number | string>
  /** Settles once stdout holds the text; rejects when the process ends before. */
  said(text: string): Promise<void>
}

function run(env: Record<string, string>): Run {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env['PATH'], PORT: '0', BULKHEAD_DATA: folder, BULKHEAD_MODULES: MODULES, ...env },
  })
  started.push(child)
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => (output[name] += part))
  }
  const exit = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    child,
    output,
    exit,
    async said(text) {
      const ended = exit.then(() => Promise.reject(new Error(`ended without "${text}": ${output.stderr}`)))
      while (!output.stdout.includes(text)) await Promise.race([once(child.stdout, 'data'), ended])
      ended.catch(() => {})
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

const adminKey = async () => (await readFile(join(folder, 'admin.key'), 'utf8')).trim()

async function start(env: Record<string, string> = {}): Promise<Run & { port: number }> {
  const running = run(env)
  await running.said("-d '")
  const port = Number(/listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(running.output.stdout)?.[1])
  return { ...running, port }
}

describe('the main program', () => {
  it('serves, with an example that works as it was printed, and ends with 0 on SIGTERM', async () => {
    await using main = await start()
    const { stdout } = main.output
    const [, url, file] = /curl -X POST (\S+) -H "Authorization: Bearer \$\(cat (\S+)\)"/.exec(stdout)!
    const body = /-d '(.*)'/.exec(stdout)![1]!
    expect(file).toBe(join(folder, 'admin.key'))
    const headers = { authorization: `Bearer ${await adminKey()}`, 'content-type': 'application/json' }
    const answer = await (await fetch(url!, { method: 'POST', headers, body })).json()
    expect(answer).toMatchObject({ modifications: { message: { content: 'Write to [EMAIL], please' } } })
    expect(stdout).toMatch(/modules {4}\d ready of \d: .*pii-filter/)

    main.child.kill('SIGTERM')
    expect(await main.exit).toBe(0)
    expect(main.output.stderr).toBe('')
    await expect(fetch(url!)).rejects.toThrow()
  })

  it('lets nobody in with two keys, of which a proxy may have checked another than we', async () => {
    await using main = await start()
    const keys = ['x', await adminKey()].map((key) => `Authorization: Bearer ${key}`)
    const head = ['GET /v1/modules HTTP/1.1', 'Host: a', 'Connection: close', ...keys]
    const socket = connect({ host: '127.0.0.1', port: main.port })
    socket.end(`${head.join('\r\n')}\r\n\r\n`)
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(first.toString()).toMatch(/^HTTP\/1.1 401 /)
    socket.destroy()
  })

  it('takes a signal that comes twice at once, as npm makes of one Ctrl-C, for one', async () => {
    await using main = await start()
    main.child.kill('SIGINT')
    main.child.kill('SIGINT')
    expect(await main.exit).toBe(0)
  })

  it('ends at once with 1 on a second signal while it drains', async () => {
    await using main = await start()
    const key = `Authorization: Bearer ${await adminKey()}`
    const head = ['POST /v1/modules/x/reload HTTP/1.1', 'Host: a', 'Content-Length: 10', 'Expect: 100-continue', key]
    const half = connect({ host: '127.0.0.1', port: main.port }).on('error', () => {})
    half.write(`${head.join('\r\n')}\r\n\r\n12345`)
    const [first] = (await once(half, 'data')) as [Buffer]
    expect(first.toString()).toMatch(/^HTTP\/1.1 100 /)
    main.child.kill('SIGTERM')
    await main.said('"stopping"')
    await delay(600)
    main.child.kill('SIGTERM')
    expect(await main.exit).toBe(1)
    half.destroy()
  })

  it('uses the admin key it is given, and prints it nowhere', async () => {
    const key = `bk_${'k'.repeat(40)}`
    await using main = await start({ BULKHEAD_ADMIN_KEY: key })
    const url = `http://127.0.0.1:${main.port}/v1/modules`
    expect((await fetch(url, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200)
    expect(main.output.stdout).toContain('Bearer $BULKHEAD_ADMIN_KEY')
    expect(main.output.stdout + main.output.stderr).not.toContain(key)
  })

  it('does not start with a fault in the environment, and names each', async () => {
    await using main = run({ PORT: 'x', LOG_LEVEL: 'loud' })
    expect(await main.exit).toBe(1)
    expect(main.output.stderr).toMatch(
      /^bulkhead: cannot start, 2 variables refused:\n {2}PORT is "x".*\n {2}LOG_LEVEL is "loud".*\n$/,
    )
    expect(main.output.stdout).toBe('')
  })

  it('does not start on a port in use, and says so', async () => {
    await using main = await start()
    const data = await mkdtemp(join(folder, 'other-'))
    await using other = run({ PORT: String(main.port), BULKHEAD_DATA: data })
    expect(await other.exit).toBe(1)
    const why = 'the port is in use, set PORT to another or stop what uses it'
    expect(other.output.stderr).toBe(`bulkhead: cannot listen on 127.0.0.1 port ${main.port}: ${why}\n`)
  })
})
