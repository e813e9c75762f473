import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { HookOutcome } from '../runtime/pipeline.ts'
import { type Lab, openLab } from './module-lab.ts'

/** The benchmark `reload` has 500, and counts the calls that are lost in them. */
const RELOADS = 200
/** Of each other kind. */
const FEWER = 25
const CALLERS = 6

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
})
afterAll(() => lab[Symbol.asyncDispose]())

/** Says with each answer which version it is, whether it was loaded to the end, and how often it was handed over. */
const code = (version: number) => `
let stage = 'top level'
let handedOver = 0
await Promise.resolve()
export default {
  async onLoad() {
    await new Promise((done) => setTimeout(done, 2))
    stage = 'loaded'
  },
  start() { stage = stage === 'restored' || stage === 'loaded' ? 'started' : 'started too early' },
  getState: () => ({ handedOver }),
  restoreState(state) {
    handedOver = state.handedOver + 1
    if (stage === 'loaded') stage = 'restored'
  },
  async handle(hook, ctx) {
    const begun = stage
    const left = ctx.message.content === 'slow' ? 40 : 0
    if (left > 0) await new Promise((done) => setTimeout(done, left))
    return { action: 'continue', modifications: { message: { content: JSON.stringify({ version: ${version}, stage: begun, handedOver }) } } }
  },
}`

const manifest = 'type: extension\nhooks: [chat:before_ai]\nfailure: { chat:before_ai: closed }'
const BROKEN = [
  'export default {',
  'throw new Error("at the top")',
  'export default { onLoad() { throw new Error("while it is loaded") }, handle() {} }',
  'export default { start() { throw new Error("while it is started") }, handle() {} }',
  'export default { restoreState() { throw new Error("with the state") }, handle() {} }',
  'export default { healthCheck: () => ({ healthy: false }), handle() {} }',
]

interface Answer {
  version: number
  stage: string
  handedOver: number
}

function contentOf({ modifications }: HookOutcome): string | undefined {
  return (modifications?.['message'] as { content: string } | undefined)?.content
}

test(`${RELOADS} reloads under a steady load of calls lose none, and none is answered by a module that is half loaded`, { timeout: 180_000 }, async () => {
  // Versions differ in how many calls they take at a time, so that some calls wait while they are switched.
  const write = (version: number, text = code(version)) =>
    lab.write('steady', `${manifest}\nversion: 1.0.${version}\nlimits: { maxConcurrency: ${version % 2 === 0 ? 2 : 16} }`, text)
  await write(0)
  await lab.start()
  let reached = 0
  let isOver = false
  let answered = 0
  const faults: unknown[] = []

  const call = async (content: string): Promise<void> => {
    const least = reached
    const outcome = await lab.hook('chat:before_ai', { message: { content } })
    const said = contentOf(outcome)
    const answer = said === undefined ? undefined : (JSON.parse(said) as Answer)
    const isWell = outcome.failures.length === 0 && answer !== undefined && answer.stage === 'started' && answer.version >= least
    if (!isWell) faults.push({ outcome, least })
    answered++
  }
  const callers = Array.from({ length: CALLERS }, async (_, at) => {
    while (!isOver) {
      await call(at === 0 ? 'slow' : 'quick')
      // One without a pause, the others as an application would.
      if (at > 1) await new Promise((done) => setTimeout(done, 4))
    }
  })

  let refused = 0
  try {
    for (let version = 1; version <= RELOADS; version++) {
      if (version % 10 === 0) {
        await write(version, BROKEN[(version / 10) % BROKEN.length])
        await expect(lab.runtime.reload('steady')).rejects.toThrow()
        refused++
      }
      await write(version)
      await lab.runtime.reload('steady')
      reached = version
    }
  } finally {
    isOver = true
    await Promise.all(callers)
  }

  expect(faults.slice(0, 3)).toEqual([])
  expect(answered).toBeGreaterThan(RELOADS)
  const last = await lab.hook('chat:before_ai', { message: { content: 'quick' } })
  const { handedOver, version } = JSON.parse(contentOf(last) ?? '{}') as Answer
  expect(version).toBe(RELOADS)
  // Once more for each time that its cell was renewed.
  expect(handedOver).toBeGreaterThanOrEqual(RELOADS)
  expect(lab.eventsOf('steady').filter((type) => type === 'module:error')).toHaveLength(refused)
  expect(lab.events.filter(({ type }) => type === 'cell:lost')).toEqual([])
})

test.each(['plugin', 'daemon', 'service'])('a %s, and what needs it and calls it, goes on while it is reloaded', { timeout: 120_000 }, async (kind) => {
  const yaml = (version: number) => `type: ${kind}\nversion: 1.${version}.0\nhooks: [chat:before_ai]\nfailure: { chat:before_ai: closed }`
  const needed = (version: number) => `
    let timer
    export default {
      start() { timer = setInterval(() => {}, 5) },
      stop() { clearInterval(timer) },
      isRunning: () => timer !== undefined,
      pause() {},
      resume() {},
      getService: () => ({ ask: () => ${version} }),
      handle: () => ({ action: 'continue', modifications: { message: { content: '${version}' } } }),
    }`
  await lab.stop()
  await lab.write(`a-${kind}`, yaml(0), needed(0))
  await lab.write(`asker-of-${kind}`, `hooks: [chat:after_ai]\nfailure: { chat:after_ai: closed }\ndependencies: { a-${kind}: ^1.0.0 }\npermissions: ["module:a-${kind}"]`, `
    export default {
      async handle(hook, ctx) { return { action: 'continue', modifications: { message: { content: String(await ctx.call('a-${kind}', 'ask')) } } } },
    }`)
  await lab.start()
  await vi.waitFor(() => expect(lab.runtime.module(`asker-of-${kind}`).status).toBe('ready'), { timeout: 30_000 })
  let reached = 0
  let isOver = false
  const faults: unknown[] = []
  const callers = ['chat:before_ai', 'chat:after_ai'].map(async (hook) => {
    while (!isOver) {
      const least = reached
      const outcome = await lab.hook(hook, { message: { content: 'x' } })
      const said = Number(contentOf(outcome) ?? -1)
      if (outcome.failures.length > 0 || said < least) faults.push({ hook, outcome, least })
    }
  })
  try {
    for (let version = 1; version <= FEWER; version++) {
      await lab.write(`a-${kind}`, yaml(version), needed(version))
      await lab.runtime.reload(`a-${kind}`)
      reached = version
    }
  } finally {
    isOver = true
    await Promise.all(callers)
  }
  expect(faults.slice(0, 3)).toEqual([])
  await rm(join(lab.folder, `modules/a-${kind}`), { recursive: true })
  await rm(join(lab.folder, `modules/asker-of-${kind}`), { recursive: true })
})
