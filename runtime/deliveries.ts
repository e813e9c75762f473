import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { asBulkheadError, BulkheadError, type ErrorCode } from '../bridge/errors.ts'
import type { Log, Tell } from './events.ts'
import type { Module } from './modules.ts'
import type { Context } from './pipeline.ts'
import { openBatches } from './store/batches.ts'
import { type Delivery, openDeliveryRows, type Settled } from './store/delivery-rows.ts'
import { storableText } from './store/storable.ts'

export interface EventPolicy {
  /** Attempts after which a delivery is dead. */
  attempts: number
  /** From the first failure to the second attempt; twice as long with each more, up to an hour. */
  retryMs: number
}

/** Tells modules what has happened: at least once each, whatever becomes of this process. */
export interface Deliveries extends AsyncDisposable {
  /**
   * Stores an event for these modules; resolves once it is in the database, and begins to deliver it.
   *
   * @throws BUSY where too much waits to be stored; STORE_FAILED where the database was away for too long
   */
  accept(context: Context, modules: readonly Module[]): Promise<{ id: string }>
}

interface DeliveriesOptions {
  sql: Sql
  /** Whether no other host uses the database. */
  alone: boolean
  policy: EventPolicy
  modules(): Iterable<Module>
  /** Gives one module one event. @throws what the execution ends with */
  deliver(module: Module, context: Context, text: string): Promise<unknown>
  tell: Tell
  log: Log
}

interface Held extends Delivery {
  said: Context
}

/** What this host has in its hands for one module. */
interface Box {
  waiting: Held[]
  running: number
}

/** Of one module: deliveries in this host's hands, and executions at one time, beside those that calls bring. */
const HELD = 64
const AT_ONCE = 8
/** Of all modules: characters of contexts in this host's hands past which it takes no more. */
const HELD_CHARACTERS = 32 * 1024 * 1024
const POLL_MS = 500
const BEAT_MS = 3_000
const SWEEP_MS = 60 * 60 * 1000
const AWAY_MS = 1_000
const LONGEST_RETRY_MS = 60 * 60 * 1000
/** These cost the module its isolate. Five within a minute would disable it, so the same event comes back later. */
const COSTLY: ReadonlySet<ErrorCode> = new Set(['CPU_LIMIT', 'MEMORY_LIMIT', 'TIMEOUT', 'CALL_LIMIT', 'CELL_LOST'])
const COSTLY_TIMES = 16
/** It was not there to see it. */
const UNSEEN: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'BUSY'])

const ACCEPTED = { batchRows: 200, batchBytes: 4 * 1024 * 1024, queueRows: 5_000, queueBytes: 32 * 1024 * 1024, retryMs: 15_000 }
const SETTLED = { batchRows: 2_000, batchBytes: 4 * 1024 * 1024, queueRows: 100_000, queueBytes: 64 * 1024 * 1024, retryMs: 15_000 }
const ROW_BYTES = 200

/**
 * Opens the queue of events. What is stored here is begun at once where the module is up and has room; everything else
 * is claimed from the database when it is due: what waited for a module, failed before, or was another host's.
 *
 * Why not pg-boss (12.35): one event for ten subscribers is ten jobs and ten statements there. Measured side by side on
 * the embedded server, 64 callers, contexts of 2.5 KB: 1,300 deliveries stored a second as they come and 8,500 in
 * batches against 91,000 here, where an event is stored once and one statement takes all that has gathered; taken and
 * completed by 64: 17,000 a second against 34,000. It also has its own driver, 23 packages with it.
 */
export async function openDeliveries({ sql, alone, policy, modules, deliver, tell, log }: DeliveriesOptions): Promise<Deliveries> {
  const rows = openDeliveryRows(sql, { alone })
  const boxes = new Map<string, Box>()
  const held = new Map<string, Held>()
  const running = new Set<Promise<void>>()
  const timers = new Set<NodeJS.Timeout>()
  let heldCharacters = 0
  let isClosing = false
  let isUnsure = false
  let hurry = Promise.withResolvers<void>()

  const accepted = openBatches(rows.insert, ACCEPTED)
  const settled = openBatches(rows.settle, SETTLED)
  const every = (ms: number, work: () => Promise<void>, what: string) =>
    setInterval(() => void work().catch((thrown: unknown) => log.warn({ err: thrown }, `cannot ${what}, trying again later`)), ms).unref()

  const boxOf = (module: string): Box => {
    const box = boxes.get(module) ?? { waiting: [], running: 0 }
    boxes.set(module, box)
    return box
  }
  const roomIn = (module: string): number => {
    const { waiting, running: at } = boxOf(module)
    return heldCharacters > HELD_CHARACTERS ? 0 : Math.max(0, HELD - waiting.length - at)
  }

  function take(delivery: Held): void {
    held.set(keyOf(delivery), delivery)
    heldCharacters += delivery.context.length
  }

  function drop(delivery: Held): void {
    heldCharacters -= delivery.context.length
    // One that was given back may be ours again already.
    if (held.get(keyOf(delivery)) === delivery) held.delete(keyOf(delivery))
  }

  /** Begins what waits for a module, as far as it may run; gives it back where the module is down. */
  function begin(module: Module): void {
    const box = boxOf(module.supervisor.name)
    while (box.waiting.length > 0 && (box.running < atOnce(module) || !isUp(module))) {
      const delivery = box.waiting.shift() as Held
      if (isClosing || !isUp(module)) settle(delivery, unseen('UNAVAILABLE', 'the module was down'))
      else {
        box.running++
        const work = run(module, delivery).finally(() => {
          running.delete(work)
          box.running--
          begin(module)
          if (box.waiting.length === 0) hurry.resolve()
        })
        running.add(work)
      }
    }
  }

  async function run(module: Module, delivery: Held): Promise<void> {
    const { event, attempt, said, context } = delivery
    const name = module.supervisor.name
    try {
      await deliver(module, said, `${context.slice(0, -1)},"event":${JSON.stringify({ id: event, attempt })}}`)
      settle(delivery)
    } catch (thrown) {
      const error = asBulkheadError(thrown)
      const { code, message } = error
      if (isUnseen(error)) return settle(delivery, unseen(code, message))
      const dead = attempt >= policy.attempts
      tell({ type: 'module:hook_error', module: name, hook: said.hook, code, message })
      if (dead) tell({ type: 'event:dead', module: name, hook: said.hook, event, attempts: attempt, code })
      const afterMs = Math.min(LONGEST_RETRY_MS, policy.retryMs * 2 ** (attempt - 1) * (COSTLY.has(code) ? COSTLY_TIMES : 1))
      settle(delivery, { afterMs, unseen: false, dead, code, message: storableText(message.slice(0, 1_000)) })
    }
  }

  /** Writes down what became of it; until that is done it counts as in our hands, as otherwise nobody would have it. */
  function settle(delivery: Held, again?: Settled['again']): void {
    const row: Settled = { event: delivery.event, module: delivery.module, ...(again && { again }) }
    settled.add([{
      row,
      bytes: ROW_BYTES,
      settle(error) {
        if (!error || isClosing) return drop(delivery)
        log.warn({ module: row.module, event: row.event, error: error.message }, 'cannot write down that an event was delivered, trying again')
        const timer = setTimeout(() => {
          timers.delete(timer)
          settle(delivery, again)
        }, AWAY_MS)
        timers.add(timer)
      },
    }])
  }

  /** Claims what is due for the modules that are up and have room. */
  async function claim(): Promise<void> {
    const up = new Map([...modules()].filter((module) => isUp(module)).map((module) => [module.supervisor.name, module]))
    const wanted = new Map([...up.keys()].map((name) => [name, roomIn(name)] as const).filter(([, room]) => room > 0))
    if (wanted.size === 0) return
    const claimed = await rows.claim(wanted)
    for (const delivery of claimed) {
      const box = boxOf(delivery.module)
      const ours = { ...delivery, said: readContext(delivery.context) }
      take(ours)
      if (delivery.context === '') settle(ours)
      else box.waiting.push(ours)
    }
    for (const name of new Set(claimed.map(({ module }) => module))) begin(up.get(name) as Module)
    if ([...wanted].some(([name, room]) => claimed.filter(({ module }) => module === name).length === room)) hurry.resolve()
  }

  async function work(): Promise<void> {
    while (!isClosing) {
      const poll = setTimeout(hurry.resolve, POLL_MS)
      await hurry.promise
      clearTimeout(poll)
      hurry = Promise.withResolvers()
      if (isClosing) return
      try {
        if (isUnsure) {
          await rows.recover([...held.values()])
          isUnsure = false
        }
        await claim()
      } catch (thrown) {
        isUnsure = true
        log.warn({ err: thrown }, 'cannot look for events to deliver, trying again')
        await new Promise((done) => setTimeout(done, AWAY_MS))
      }
    }
  }

  await rows.beat()
  const beats = every(BEAT_MS, rows.beat, 'tell other hosts that this one lives')
  const sweeps = every(SWEEP_MS, rows.sweep, 'clear old events away')
  const working = work()

  return {
    async accept(context, subscribed) {
      const id = randomUUID()
      if (subscribed.length === 0) return { id }
      const text = JSON.stringify(context)
      const begun = subscribed
        .filter((module) => isUp(module) && roomIn(module.supervisor.name) > 0)
        .map((module) => ({ module, delivery: { event: id, module: module.supervisor.name, attempt: 1, context: text, said: context } }))
      for (const { delivery } of begun) take(delivery)
      try {
        await stored(id, context.hook, text, subscribed, new Set(begun.map(({ delivery }) => delivery.module)))
      } catch (thrown) {
        isUnsure = true // it may be there all the same
        for (const { delivery } of begun) drop(delivery)
        throw thrown
      }
      for (const { module, delivery } of begun) {
        boxOf(delivery.module).waiting.push(delivery)
        begin(module)
      }
      if (begun.length < subscribed.length) hurry.resolve()
      return { id }
    },
    async [Symbol.asyncDispose]() {
      isClosing = true
      hurry.resolve()
      clearInterval(beats)
      clearInterval(sweeps)
      for (const timer of timers) clearTimeout(timer)
      for (const module of modules()) begin(module)
      await Promise.all([working, ...running])
      await accepted.flush()
      await settled.flush()
      await rows.leave().catch((thrown: unknown) => log.warn({ err: thrown }, 'cannot give back the events of this host, another takes them in a while'))
    },
  }

  function stored(id: string, hook: string, context: string, subscribed: readonly Module[], ours: ReadonlySet<string>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const row = { id, hook, context, modules: subscribed.map(({ supervisor }) => supervisor.name), ours }
    const bytes = context.length + ROW_BYTES * subscribed.length
    if (isClosing || !accepted.offer({ row, bytes, settle: (error) => (error ? reject(error) : resolve()) })) {
      throw new BulkheadError('BUSY', 'cannot accept the event, too many wait to be stored')
    }
    return promise
  }
}

/** Whether the module did not see the event. What it was refused itself and let through has a stack of its own: that counts. */
export function isUnseen({ code, details }: BulkheadError): boolean {
  return UNSEEN.has(code) && typeof (Object(details) as { stack?: unknown }).stack !== 'string'
}

function unseen(code: ErrorCode, message: string): Settled['again'] {
  return { afterMs: AWAY_MS, unseen: true, dead: false, code, message: storableText(message.slice(0, 1_000)) }
}

const keyOf = ({ event, module }: Delivery): string => `${event} ${module}`

/** Ready, or a plugin that is brought up by being called. */
function isUp({ supervisor }: Module): boolean {
  return !supervisor.dismissed && (supervisor.state === 'ready' || supervisor.state === 'idle')
}

function atOnce({ supervisor }: Module): number {
  return Math.min(AT_ONCE, supervisor.version?.manifest.limits.maxConcurrency ?? 1)
}

/** It was made by this product, of what was checked before it was stored. */
function readContext(text: string): Context {
  return text === '' ? ({} as Context) : (JSON.parse(text) as Context)
}
