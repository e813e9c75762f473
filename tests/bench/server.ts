import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median, report } from './table.ts'

const ROUNDS = 4
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The whole server, a process of its own: from its start to the answer to the first hook call, as a client sees it. */
export async function benchServer(): Promise<void> {
  const starts = { 'first start, empty folder': [] as Start[], 'second start': [] as Start[] }
  for (let round = 0; round < ROUNDS; round++) {
    const data = await mkdtemp(join(tmpdir(), 'bulkhead-bench-'))
    for (const measured of Object.values(starts)) measured.push(await startOnce(data))
    await rm(data, { recursive: true, force: true })
  }
  const second = median(starts['second start'].map(({ answeredMs }) => answeredMs))
  report(
    'server',
    `Start of the server with the modules that ship, ${ROUNDS} rounds`,
    Object.entries(starts).map(([what, measured]) => ({
      what,
      figures: {
        'listening ms': median(measured.map(({ listeningMs }) => listeningMs)),
        'first answer ms': median(measured.map(({ answeredMs }) => answeredMs)),
        'worst ms': Math.max(...measured.map(({ answeredMs }) => answeredMs)),
        'stop ms': median(measured.map(({ stopMs }) => stopMs)),
      },
    })),
    [{ what: 'first answer after the second start', value: second, atMost: 2_500, unit: 'ms' }],
  )
}

interface Start {
  listeningMs: number
  answeredMs: number
  stopMs: number
}

async function startOnce(data: string): Promise<Start> {
  const start = performance.now()
  const server = spawn(process.execPath, ['api/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], PORT: '0', BULKHEAD_DATA: data, LOG_LEVEL: 'silent' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const address = await listening(server)
    const listeningMs = performance.now() - start
    const answer = await fetch(`${address}/v1/hooks/chat:before_ai`, {
      method: 'POST',
      headers: { authorization: `Bearer ${(await readFile(join(data, 'admin.key'), 'utf8')).trim()}`, 'content-type': 'application/json' },
      body: JSON.stringify({ message: { content: 'Write to jane.doe@example.org, please' } }),
    })
    if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${await answer.text()}`)
    await answer.text()
    const answeredMs = performance.now() - start
    server.kill('SIGTERM')
    await once(server, 'exit')
    return { listeningMs, answeredMs, stopMs: performance.now() - start - answeredMs }
  } finally {
    server.kill('SIGKILL')
  }
}

async function listening(server: ChildProcess): Promise<string> {
  let output = ''
  for await (const text of server.stdout?.setEncoding('utf8').iterator({ destroyOnReturn: false }) ?? []) {
    output += text
    const [, address] = /listens on (http:\S+)\n/.exec(output) ?? []
    if (address) return address
  }
  throw new Error(`the server did not start: ${output}`)
}
