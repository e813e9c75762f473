import { placeInstance, type Version } from '../../runtime/instance.ts'
import { residentMB } from '../../runtime/process-memory.ts'
import { MISBEHAVIOUR_LIMITS, MISBEHAVIOURS } from './misbehaviours.ts'
import { contextOf, openScratch } from './scratch.ts'
import { report } from './table.ts'

const ROUNDS = 1_000
/** What the host takes once, for its code and caches, is no growth. */
const WARM_UP = 100
/** Of each kind that ends soon; those that wait for a limit of time would make a thousand rounds an hour. */
const KINDS = ['loops-in-its-verdict', 'hoards-buffers', 'answers-hugely', 'floods-emits', 'floods-logs', 'floods-rejections', 'rewrites-builtins'] as const

/** Load, misbehave, unload, a thousand times: what the host and a fresh cell take before and after. */
export async function benchRounds(): Promise<void> {
  await using scratch = await openScratch()
  const cells = await scratch.cells()
  const limits = { ...MISBEHAVIOUR_LIMITS, maxCpuMs: 20 }
  const versions: Version[] = []
  for (const name of KINDS) versions.push(await scratch.read(await scratch.write({ name, ...MISBEHAVIOURS[name], handler: MISBEHAVIOURS[name]?.handler ?? '', limits })))
  const text = JSON.stringify(contextOf(2_500))
  const ends: Record<string, number> = {}

  const round = async (n: number) => {
    const version = versions[n % versions.length]
    if (!version) return
    try {
      const { instance } = await placeInstance(`round~${n}`, version, await cells.cellFor('installed'))
      const end = await instance.call({ hook: 'chat:before_ai' }, text, 500).then(() => 'answered', (thrown: { code?: string }) => thrown.code ?? 'failed')
      ends[end] = (ends[end] ?? 0) + 1
      await instance.retire()
    } catch {
      ends['not loaded'] = (ends['not loaded'] ?? 0) + 1
    }
    cells.releaseEmpty()
  }
  const measure = async () => {
    globalThis.gc?.()
    const cell = await cells.cellFor('installed')
    return { hostMB: process.memoryUsage.rss() / 2 ** 20, cellMB: residentMB(cell.pid) }
  }

  for (let n = 0; n < WARM_UP; n++) await round(n)
  const before = await measure()
  for (let n = 0; n < ROUNDS; n++) await round(WARM_UP + n)
  const after = await measure()
  report(
    'rounds',
    `Host and fresh cell before and after ${ROUNDS} rounds of load, misbehave, unload (${JSON.stringify(ends)})`,
    [
      { what: 'host', figures: { 'before MB': before.hostMB, 'after MB': after.hostMB, ratio: after.hostMB / before.hostMB } },
      { what: 'fresh cell', figures: { 'before MB': before.cellMB, 'after MB': after.cellMB, ratio: after.cellMB / before.cellMB } },
    ],
    [
      { what: "the host's memory after the rounds", value: after.hostMB / before.hostMB, atMost: 1.1, unit: 'of before' },
      { what: "a fresh cell's memory after the rounds", value: after.cellMB / before.cellMB, atMost: 1.1, unit: 'of before' },
    ],
  )
}
