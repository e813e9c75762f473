import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeContext } from '../runtime/context.ts'
import type { RuntimeEvent } from '../runtime/events.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { type Database, openDatabase } from '../runtime/store/database.ts'
import { openModuleStates } from '../runtime/store/module-states.ts'

type Violation = Extract<RuntimeEvent, { type: 'cell:violation' }>

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** What a cell does, and what it is reported for. */
const VIOLATIONS = {
  'unknown call': /unknown call "execute"/,
  'inherited call': /unknown call "constructor"/,
  'prototype call': /unknown call/,
  'another execution': /in the name of another/,
  'another module': /in the name of another/,
  'no capability': /./,
  'ask without head': /./,
  'answer never asked for': /answer to a call never made/,
  'answer twice': /answer to a call never made/,
  'error without code': /malformed error/,
  'error with unknown code': /malformed error/,
  'error without text': /malformed error/,
  'frame of 4 GB': /frame of \d+ bytes/,
  'frame past the limit': /frame of \d+ bytes/,
  'head longer than frame': /malformed frame/,
  'head past the limit': /malformed frame/,
  'frame of nothing': /malformed/,
  'head no JSON': /malformed head/,
  'head an array': /malformed head/,
  'head null': /malformed head/,
  'id a text': /malformed head/,
  'id a fraction': /malformed head/,
  'call a number': /malformed head/,
  'deep head': /malformed head/,
  noise: /frame|malformed/,
  'lost another module': /does not hold/,
  'lost without head': /./,
  'lost without error': /./,
  'doomed by another': /does not hold/,
  'doomed without reason': /./,
  'doomed without head': /./,
  'debugger of nobody': /debugs what nobody does/,
  'flood of asks': /./,
  'flood of pings': /./,
}
const NO_VIOLATIONS = {
  silence: ['TIMEOUT', 'CELL_LOST'],
  'half a frame': ['TIMEOUT', 'CELL_LOST'],
  'verdict no JSON': ['MODULE_FAILED'],
  'execution that has ended': [undefined],
}
/** Well past the executions' own second. */
const ENDED_MS = 20_000
const ATTACKS = [...Object.keys(VIOLATIONS), ...Object.keys(NO_VIOLATIONS)]

let folder: string
let database: Database
let runtime: Runtime
let hostileCell: string
const events: RuntimeEvent[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-wire-'))
  database = await openDatabase({ folder: join(folder, 'data'), log: silent })
  const states = openModuleStates(database.sql)
  for (const n of ATTACKS.keys()) {
    for (const [name, hook] of [[`attacker-${n}`, 'chat:before_ai'], [`victim-${n}`, 'chat:after_ai']] as const) {
      const module = join(folder, 'modules', name)
      await mkdir(module, { recursive: true })
      const limits = 'limits: { maxExecutionMs: 3000, maxCpuMs: 3000 }'
      await writeFile(join(module, 'module.yaml'), `name: ${name}\nversion: 1.0.0\ndescription: A\nhooks: [${hook}]\npermissions: [emit]\n${limits}\n`)
      await writeFile(join(module, 'index.ts'), 'export default { handle: () => ({}) }')
      await states.set(name, false)
    }
  }
  runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 1, database, log: silent })
  runtime.subscribe((event) => events.push(event))
  hostileCell = await readFile(new URL('hostile-cell.mjs', import.meta.url), 'utf8')
}, 60_000)

afterAll(async () => {
  await Promise.race([runtime?.[Symbol.asyncDispose](), pause(15_000)])
  await database?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

/** Puts the hostile program in the place of the cells', has it attack, and tells how the call into it ended. */
async function attack(name: string): Promise<{ code: string | undefined; pid: number }> {
  const cache = join(folder, 'data/cache')
  const [program] = (await readdir(cache)).filter((file) => file.endsWith('.mjs'))
  await writeFile(join(cache, program as string), `const ATTACK = ${JSON.stringify(name)}\n${hostileCell}`)
  const n = ATTACKS.indexOf(name)
  events.length = 0
  await runtime.enable(`victim-${n}`)
  await runtime.enable(`attacker-${n}`)
  const pid = runtime.module(`attacker-${n}`).cell as number
  expect(runtime.module(`victim-${n}`).cell).toBe(pid)
  try {
    const victim = runtime.executeHook('chat:after_ai', completeContext('chat:after_ai', { response: 'x' }, 'victim'))
    const attacker = runtime.executeHook('chat:before_ai', completeContext('chat:before_ai', { message: { content: 'x' } }, 'attacker'))
    const outcome = await Promise.race([Promise.all([attacker, victim]), pause(ENDED_MS)])
    return { code: outcome ? outcome[0].failures.find(({ module }) => module === `attacker-${n}`)?.code : 'NEVER_ENDED', pid }
  } finally {
    await Promise.all([runtime.disable(`attacker-${n}`), runtime.disable(`victim-${n}`)])
  }
}

const pause = (ms: number) => new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), ms))

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a cell that breaks the protocol is ended and reported:', () => {
  for (const [name, violation] of Object.entries(VIOLATIONS)) {
    test(name, async () => {
      const delay = monitorEventLoopDelay({ resolution: 5 })
      delay.enable()
      const { code, pid } = await attack(name)
      delay.disable()
      expect(delay.max / 1e6).toBeLessThan(10_000) // a host that had been blocked would be so for as long as the test
      expect(code).toBe(name === 'answer twice' ? undefined : 'CELL_LOST')
      await expect.poll(() => isAlive(pid)).toBe(false)
      const reported = events.filter((event): event is Violation => event.type === 'cell:violation' && event.pid === pid)
      expect(reported).toMatchObject([{ pid, violation: expect.stringMatching(violation) }])
      expect(reported[0]?.modules.toSorted()).toEqual([`attacker-${ATTACKS.indexOf(name)}`, `victim-${ATTACKS.indexOf(name)}`])
    })
  }
})

describe('a cell that is slow, silent or wrong is dealt with, and is no violator:', () => {
  for (const [name, codes] of Object.entries(NO_VIOLATIONS)) {
    test(name, async () => {
      const { code } = await attack(name)
      expect(codes).toContain(code)
      expect(events.filter((event) => event.type === 'cell:violation')).toEqual([])
    })
  }
})

test('nothing that a cell forged has been kept', async () => {
  const { items } = await runtime.records.listExtractions({ type: 'forged', limit: 200 })
  expect(items.filter(({ module }) => module !== `attacker-${ATTACKS.indexOf('flood of asks')}`)).toEqual([])
})
