import { BulkheadError } from '../bridge/errors.ts'
import type { Cell } from './cell-client.ts'
import { type Instance, placeInstance, type Version } from './instance.ts'

/** Kinds that go on between calls. */
const LIVING: ReadonlySet<string> = new Set(['daemon', 'service'])

/**
 * Brings a version up beside the one that runs: load, state, start, health check. Where a step fails, what was loaded
 * is given back and the old one runs on.
 *
 * @param old the instance that it replaces, whose state it takes over
 * @param onStep told of what is done
 * @throws LOAD_FAILED, UNHEALTHY, the module's own failure, or a limit's error
 */
export async function bringUp(key: string, version: Version, cell: Cell, old: Instance | undefined, onStep: (step: 'loaded' | 'healthy') => void = () => {}): Promise<Instance> {
  const { instance } = await placeInstance(key, version, cell)
  onStep('loaded')
  try {
    if (old) await handOver(old, instance)
    if (LIVING.has(version.manifest.type)) instance.live()
    await callLifecycle(instance, 'start')
    await checkHealth(instance)
    onStep('healthy')
    return instance
  } catch (thrown) {
    void instance.retire()
    throw thrown
  }
}

/** Calls a function of the module's life, where it has it. */
async function callLifecycle(instance: Instance, name: string, withinMs?: number): Promise<unknown> {
  if (!instance.handlers.lifecycle.includes(name)) return undefined
  return instance.invoke({ target: 'lifecycle', name, args: [] }, withinMs)
}

/**
 * Asks a module whether it is well: `healthCheck` where it has one, and for a daemon `isRunning`.
 *
 * @throws UNHEALTHY with what the module said
 */
export async function checkHealth(instance: Instance, withinMs?: number): Promise<void> {
  const { name } = instance.version.manifest
  const health = (await callLifecycle(instance, 'healthCheck', withinMs)) as { healthy?: unknown; message?: unknown } | undefined | null
  if (health && health.healthy !== true) {
    const said = typeof health.message === 'string' ? `, it says: ${health.message.slice(0, 500)}` : ''
    throw new BulkheadError('UNHEALTHY', `${name} is not healthy${said}`)
  }
  if ((await callLifecycle(instance, 'isRunning', withinMs)) === false) throw new BulkheadError('UNHEALTHY', `${name} does not run any more`)
}

/** An old version gets so long to say its state, ms; one that cannot is replaced without. */
const SAY_STATE_MS = 1_000

/**
 * The state of one instance to the next. A module that wrote neither function hands on its `state` Map; one whose
 * contexts are fresh has nothing to hand on, and nothing to keep it in.
 */
async function handOver(old: Instance, next: Instance): Promise<void> {
  if ([old, next].some(({ version }) => version.manifest.context === 'fresh')) return
  const state = await old.invoke({ target: 'lifecycle', name: 'getState', args: [] }, SAY_STATE_MS).catch(() => null)
  if (state === null) return
  const from = old.version.manifest.version
  await next.invoke({ target: 'lifecycle', name: 'restoreState', args: [state, { from }] })
}
