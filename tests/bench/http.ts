import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Answers, requestText, sendAll } from './load-client.ts'
import { quantile, report } from './table.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MODULES = 1000
const BODY = JSON.stringify({ message: { content: 'Nothing in here that a filter would look for. '.repeat(54) } })

/** The API through its socket: one hook call with one module beside a bare handler, and the list of many modules. */
export async function benchHttp(): Promise<void> {
  const path = '/v1/hooks/chat:before_ai'
  const bare = await withServer(['tests/bench/bare-hono.ts'], {}, async (address) => await bothWays(address, requestText('POST', path, { body: BODY })))
  const one = await withModules(1, async (address, key) => await bothWays(address, requestText('POST', path, { key, body: BODY })))
  const list = await withModules(MODULES, async (address, key) => {
    const request = requestText('GET', `/v1/modules?limit=${MODULES}`, { key })
    await sendAll(address, request, { connections: 1, seconds: 4 })
    return sendAll(address, request, { connections: 1, seconds: 3 })
  })
  const share = one.together.perSecond / bare.together.perSecond
  report(
    'http',
    `The API through its socket, with keep-alive; a call has ${BODY.length} bytes`,
    [
      { what: 'bare Hono handler, 1 connection', figures: figuresOf(bare.alone) },
      { what: 'bare Hono handler, 32 connections', figures: figuresOf(bare.together) },
      { what: 'hook call, one module, 1 connection', figures: figuresOf(one.alone) },
      { what: 'hook call, one module, 32 connections', figures: figuresOf(one.together) },
      { what: `list of ${MODULES} modules, ${Math.round(list.bytes / 1024)} KiB`, figures: figuresOf(list) },
    ],
    [
      { what: `times as many calls of the bare handler (a share of ${share.toFixed(2)})`, value: 1 / share, atMost: 1 / 0.35, unit: '×' },
      { what: `list of ${MODULES} modules, p50`, value: quantile(list.times, 0.5), atMost: 20, unit: 'ms' },
    ],
  )
}

const figuresOf = ({ times, perSecond }: Answers) => ({ 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99), 'per s': perSecond })

async function bothWays(address: string, request: Buffer): Promise<{ alone: Answers; together: Answers }> {
  await sendAll(address, request, { connections: 32, seconds: 3 }) // until what is hot is compiled
  const alone = await sendAll(address, request, { connections: 1, seconds: 3 })
  return { alone, together: await sendAll(address, request, { connections: 32, seconds: 5 }) }
}

/** The server with as many modules, of which one answers the hook. */
async function withModules<Result>(count: number, work: (address: string, key: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-bench-'))
  try {
    for (let index = 0; index < count; index++) {
      const module = join(folder, 'modules', `module-${index}`)
      await mkdir(module, { recursive: true })
      const hooks = index === 0 ? 'hooks: [chat:before_ai]\n' : 'type: plugin\n'
      await writeFile(join(module, 'module.yaml'), `name: module-${index}\nversion: 1.0.0\ndescription: Number ${index} of the many\n${hooks}`)
      const handler = `handle(hook, { message }) { return { action: 'continue', modifications: { message } } }`
      await writeFile(join(module, 'index.ts'), `export default { ${index === 0 ? handler : ''} }`)
    }
    const data = join(folder, 'data')
    const env = { PORT: '0', BULKHEAD_DATA: data, BULKHEAD_MODULES: join(folder, 'modules'), LOG_LEVEL: 'silent' }
    return await withServer(['api/main.ts'], env, async (address) => await work(address, (await readFile(join(data, 'admin.key'), 'utf8')).trim()))
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

async function withServer<Result>(program: string[], env: Record<string, string>, work: (address: string) => Promise<Result>): Promise<Result> {
  const server = spawn(process.execPath, program, { cwd: ROOT, env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    let output = ''
    for await (const text of server.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      output += text
      const [, address] = /listens on (http:\S+)\n/.exec(output) ?? []
      if (address) return await work(address)
    }
    throw new Error(`the server did not start: ${output}`)
  } finally {
    server.kill('SIGTERM')
    await once(server, 'exit')
  }
}
