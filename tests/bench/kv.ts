import { randomUUID } from 'node:crypto'
import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import type { NewExtraction } from '../../bridge/emit.host.ts'
import { insertExtractions } from '../../runtime/store/extractions.ts'
import { callAtOnce } from './load.ts'
import { openScratch, quiet } from './scratch.ts'
import { median, report } from './table.ts'

const FOR_MS = 4_000
const IN_FLIGHT = 16
const PER_CALL = 100
const ROWS = 1_000
/** Of the host's pool. */
const CONNECTIONS = 8
const TURNS = 200

const HANDLER = `
  const { what, first } = ctx.input
  const each = (work) => Promise.all(Array.from({ length: ${PER_CALL} }, (_, n) => work(first + n)))
  if (what === 'emit') await each((n) => ctx.emit('bench', { n, text: 'some forty characters of what was found' }))
  if (what === 'set') await each((n) => ctx.kv.set(['bench', n % 10000], { n, text: 'some forty characters of a value' }))
  if (what === 'get') await each((n) => ctx.kv.get(['bench', n % 10000]))
  if (what === 'turns') for (let n = 0; n < ${TURNS}; n++) await ctx.kv.get(['bench', n])
  if (what === 'writes') for (let n = 0; n < ${TURNS}; n++) await ctx.kv.set(['bench', n], n)`

/** What a module keeps with emit and kv, acknowledged as durable, beside the same rows written directly by the driver. */
export async function benchKv(): Promise<void> {
  await using scratch = await openScratch()
  await scratch.write({ name: 'bench', handler: HANDLER, permissions: ['emit', 'log', 'kv'], limits: { maxCpuMs: 60_000, maxExecutionMs: 60_000, maxConcurrency: IN_FLIGHT } })
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 1, database, log: quiet })
  const { sql } = database
  let next = 0
  const call = (what: string) => async () => {
    const first = (next += PER_CALL)
    const { failures } = await runtime.executeHook('chat:before_ai', { input: { what, first } })
    if (failures[0]) throw new Error(failures[0].message)
  }
  const perSecond = async (what: string) => (await callAtOnce(call(what), IN_FLIGHT, FOR_MS)) * PER_CALL
  const inTurn = async (what: string) => {
    const took = []
    for (let round = 0; round < 5; round++) {
      const start = performance.now()
      await call(what)()
      took.push(((performance.now() - start) * 1000) / TURNS)
    }
    return median(took)
  }

  const emits = await perSecond('emit')
  const direct = (await callAtOnce(async () => insertExtractions(sql, Array.from({ length: ROWS }, someRow)), 2, FOR_MS)) * ROWS
  const alone = await callAtOnce(async () => insertExtractions(sql, [someRow()]), CONNECTIONS, FOR_MS)
  const sets = await perSecond('set')
  const setAlone = await callAtOnce(async () => upsert(next++), CONNECTIONS, FOR_MS)
  const gets = await perSecond('get')
  const getAlone = await callAtOnce(async () => select(next++), CONNECTIONS, FOR_MS)
  const turn = { get: await inTurn('turns'), set: await inTurn('writes') }

  function upsert(n: number) {
    return sql`insert into bulkhead.kv values ('direct', ${Buffer.from(String(n % 10_000))}, 'v', ${Buffer.from('{"text":"some forty characters of a value"}')}, 1)
      on conflict (module, key) do update set value = excluded.value`
  }
  function select(n: number) {
    return sql`select value, version from bulkhead.kv where module = 'direct' and key = ${Buffer.from(String(n % 10_000))}`
  }

  report(
    'kv',
    `Acknowledged per second, ${IN_FLIGHT} calls in flight with ${PER_CALL} each, beside the driver with ${CONNECTIONS} connections`,
    [
      { what: 'ctx.emit', figures: { 'per second': emits, 'one by one in turn µs': Number.NaN } },
      { what: `the same rows, ${ROWS} a statement`, figures: { 'per second': direct } },
      { what: 'the same rows, one a statement', figures: { 'per second': alone } },
      { what: 'ctx.kv.set', figures: { 'per second': sets, 'one by one in turn µs': turn.set } },
      { what: 'an upsert a statement', figures: { 'per second': setAlone } },
      { what: 'ctx.kv.get', figures: { 'per second': gets, 'one by one in turn µs': turn.get } },
      { what: 'a select a statement', figures: { 'per second': getAlone } },
    ],
    [{ what: 'ctx.emit', value: 20_000 / emits, atMost: 1, unit: 'of the time that 20,000 a second take' }],
  )
}

function someRow(): NewExtraction {
  return {
    id: randomUUID(), module: 'direct', version: '1.0.0', execution: randomUUID(), seq: 0, hook: 'chat:before_ai', type: 'bench',
    data: '{"n":1,"text":"some forty characters of what was found"}', userId: 'anonymous', createdAt: new Date(),
  }
}
