import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startRuntime } from '../../runtime/runtime.ts'
import { openDatabase } from '../../runtime/store/database.ts'
import { callAtOnce, callInTurn, count } from './load.ts'
import { openScratch, quiet } from './scratch.ts'
import { quantile, report } from './table.ts'

const SUBSCRIBERS = 10
const IN_FLIGHT = 64
const WARM_UP_MS = 1_000
const TURN_MS = 2_000
const FOR_MS = 5_000
const META = { said: 'What an agent says of itself when it checks in, at some length. '.repeat(37) }
const CODE = `export default { hooks: { async 'agent:heartbeat'(ctx) { if (ctx.meta.said.length < 10) throw new Error(ctx.agentId) } } }`

/**
 * Events of 2.5 KB with ten subscribers, from the call of the hook until the last subscriber has been told: stored in
 * PostgreSQL before they are accepted, given each to a module in its isolate, and removed.
 */
export async function benchEvents(): Promise<void> {
  await using scratch = await openScratch()
  for (let index = 0; index < SUBSCRIBERS; index++) {
    const folder = join(scratch.modules, `subscriber-${index}`)
    await mkdir(folder, { recursive: true })
    const manifest = { name: `subscriber-${index}`, version: '1.0.0', description: 'A part of a benchmark', hooks: ['agent:heartbeat'] }
    await writeFile(join(folder, 'module.yaml'), JSON.stringify(manifest))
    await writeFile(join(folder, 'index.js'), CODE)
  }
  await using database = await openDatabase({ folder: scratch.folder, log: quiet })
  await using runtime = await startRuntime({ modules: scratch.modules, data: scratch.folder, cells: 2, database, log: quiet })

  const failed: Record<string, number> = {}
  runtime.subscribe((event) => event.type === 'module:hook_error' && count(failed, event.code))
  const send = () => runtime.executeHook('agent:heartbeat', { agentId: 'a1', meta: META })
  const waiting = async () => Number((await database.sql`select count(*) from bulkhead.deliveries`)[0]?.['count'])
  const idle = async () => {
    while ((await waiting()) > 0) await delay(20)
  }

  await callAtOnce(send, IN_FLIGHT, WARM_UP_MS)
  await idle()
  const took = await callInTurn(send, TURN_MS)
  await idle()

  const start = performance.now()
  const accepted = await callAtOnce(send, IN_FLIGHT, FOR_MS)
  const acceptedMs = performance.now() - start
  const backlog = await waiting()
  await idle()
  const seconds = (performance.now() - start) / 1000
  report('events', `Events of 2.5 KB with ${SUBSCRIBERS} subscribers, ${IN_FLIGHT} in flight`, [
    { what: 'accepted', figures: { 'p50 µs, one at a time': quantile(took, 0.5), 'p99 µs, one at a time': quantile(took, 0.99), 'events/s': accepted } },
    { what: 'delivered', figures: { 'deliveries/s': (accepted * (acceptedMs / 1000) * SUBSCRIBERS) / seconds, 'not yet when the last was accepted': backlog, ...failed } },
  ])
}
