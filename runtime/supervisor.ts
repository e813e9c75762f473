import type { Invocation } from '../bridge/contract.ts'
import { asBulkheadError, BulkheadError, type ErrorText } from '../bridge/errors.ts'
import { type Admission, openAdmission } from './admission.ts'
import { bringUp, checkHealth } from './bring-up.ts'
import type { Blame, Cells } from './cells.ts'
import type { Trust } from './cell-client.ts'
import type { Tell } from './events.ts'
import type { Instance, Result, Subject, Version } from './instance.ts'
import { APART_MS, createStrikes } from './strikes.ts'
import { createTurns } from './turns.ts'
import { within } from './within.ts'

/** `waiting`: for a module that it needs. `idle`: a plugin that nobody has used of late, loaded when somebody does. */
export type ModuleState = 'starting' | 'ready' | 'error' | 'disabled' | 'stopping' | 'waiting' | 'idle' | 'upgrade_pending'

/** What is done of bringing a version up. */
export type UpStep = 'loaded' | 'healthy' | 'switched'

/** Keeps one module running: brings it up, moves it, restarts it, and gives it up when it keeps failing. */
export interface Supervisor {
  readonly name: string
  readonly state: ModuleState
  readonly version: Version | undefined
  readonly error: ErrorText | undefined
  readonly failures: number
  readonly readyAt: Date | undefined
  readonly instance: Instance | undefined
  /** Whether it is being brought up now. */
  readonly recovering: boolean
  /** Whether it is down because somebody said so, not because it failed. */
  readonly dismissed: boolean
  /** Whether it is down for what it did, until somebody enables it. */
  readonly quarantined: boolean
  /**
   * Brings a version up beside the one that runs and switches once it is ready; where it fails, the old one stays.
   * While it is held, the version is only noted.
   */
  replace(version: Version, onStep?: (step: UpStep) => void): Promise<void>
  /** @throws UNAVAILABLE where it does not run and does not start, BUSY, and what the execution ends with */
  call(subject: Subject, context: string, timeoutMs: number): Promise<Result>
  /** Calls one of the module's other functions. @throws as `call`, and NOT_FOUND where there is no such function */
  invoke(invocation: Invocation, timeoutMs?: number, subject?: Subject): Promise<unknown>
  /** Its version could not be made: it is listed with the error; what runs goes on. */
  refuse(error: BulkheadError): void
  /** Takes it down until it is released: what it needs is missing, or not ready. */
  hold(reason: BulkheadError, state: 'waiting' | 'error'): void
  release(): void
  /** Resolves when nothing is being brought up. */
  settled(): Promise<void>
  disable(): Promise<void>
  quarantine(reason: BulkheadError): void
  /** Its isolate or its cell is gone. */
  fell(key: string, blame: Blame, error: BulkheadError): void
  /** Its cell is to be renewed: it is brought up in another, and leaves with nothing lost. */
  move(key: string): void
  stop(): Promise<void>
}

interface SupervisorOptions {
  name: string
  trust: Exclude<Trust, `alone:${string}`>
  cells: Cells
  tell: Tell
  /** How long a plugin may go unused before it is unloaded, ms. */
  idleMs?: number
  /** How often a module is asked whether it is well, ms. */
  healthMs?: number
}

const IDLE_MS = 60_000
const HEALTH_MS = 10_000
/** A module that has not said by then that it is well is not, ms. */
const HEALTH_ANSWER_MS = 5_000
const UNWELL: ReadonlySet<string> = new Set(['UNHEALTHY', 'TIMEOUT'])
/** An operator waits no longer for a module to leave, ms; it is on its way. */
const LEAVE_MS = 3_000

/** Messages that may wait for a module; one more is refused. */
const MAX_MESSAGES = 1_000

let placements = 0

export function superviseModule({ name, trust, cells, tell, idleMs = IDLE_MS, healthMs = HEALTH_MS }: SupervisorOptions): Supervisor {
  const strikes = createStrikes()
  const turns = createTurns()
  let state: ModuleState = 'starting'
  let version: Version | undefined
  let instance: Instance | undefined
  let error: BulkheadError | undefined
  let held: { reason: BulkheadError; state: 'waiting' | 'error' } | undefined
  let readyAt: Date | undefined
  let admission: Admission | undefined
  // Messages take at most half of the places, so that who publishes without end keeps no hook waiting.
  let mailbox: Admission | undefined
  let dismissed = false
  let quarantined = false
  let apart: Trust | undefined
  let usedAt = 0
  let restart: NodeJS.Timeout | undefined
  let rejoin: NodeJS.Timeout | undefined
  let upkeep: NodeJS.Timeout | undefined

  const isDown = () => state === 'stopping' || dismissed || quarantined || held !== undefined
  const isPlugin = (of: Version | undefined) => of?.manifest.type === 'plugin'

  /** Brings a version up and switches to it. */
  async function place(next: Version, onStep?: (step: UpStep) => void): Promise<void> {
    if (isDown()) return
    if (!instance) state = 'starting'
    tell({ type: 'module:starting', module: name, version: next.manifest.version })
    const own = next.manifest.isolation === 'dedicated' ? (`alone:${name}` as const) : trust
    const cell = await cells.cellFor(apart ?? own)
    // One that is expected and never comes would keep its cell for ever.
    const placed = await bringUp(`${name}~${++placements}`, next, cell, instance, onStep).finally(() => cell.expected--)
    if (isDown() || !cell.instances.has(placed.key)) return void placed.retire()
    const old = instance
    const { maxConcurrency } = next.manifest.limits
    if (version?.manifest.limits.maxConcurrency !== maxConcurrency || !admission) {
      admission = openAdmission(name, maxConcurrency)
      mailbox = openAdmission(name, Math.ceil(maxConcurrency / 2))
    }
    instance = placed
    version = next
    state = 'ready'
    error = undefined
    readyAt = new Date()
    usedAt = performance.now()
    keepUp()
    tell({ type: 'module:ready', module: name, version: next.manifest.version })
    onStep?.('switched')
    if (old) retireLater(old)
  }

  function takeDown(next: ModuleState): void {
    clearTimeout(restart)
    clearInterval(upkeep)
    const old = instance
    instance = undefined
    state = next
    if (old) retireLater(old)
  }

  function retireLater(old: Instance): Promise<void> {
    const retired = old.retire().then(() => cells.releaseEmpty())
    retiring.add(retired)
    return retired.finally(() => retiring.delete(retired))
  }
  const retiring = new Set<Promise<void>>()

  /** Asks now and then whether it is well; a plugin that nobody uses is unloaded. */
  function keepUp(): void {
    clearInterval(upkeep)
    let asked: Instance | undefined
    upkeep = setInterval(() => {
      if (!instance || turns.busy) return
      if (isPlugin(version) && instance.open === 0 && performance.now() - usedAt > idleMs) return takeDown('idle')
      if (asked === instance) return
      const asking = (asked = instance)
      const unwell = (thrown: unknown) => {
        const reason = asBulkheadError(thrown)
        // A module that fell meanwhile, or has no room for the question, is not unwell for that.
        if (instance !== asking || !UNWELL.has(reason.code)) return
        takeDown('error')
        fail(reason)
        recover(true)
      }
      void checkHealth(asking, HEALTH_ANSWER_MS).catch(unwell).then(() => (asked = undefined))
    }, Math.min(healthMs, idleMs))
  }

  function fail(reason: BulkheadError): void {
    error = reason
    if (!instance) state = 'error'
    tell({ type: 'module:error', module: name, code: reason.code, message: reason.message })
  }

  /** Places the version that ran anew, after the delay that its failures have earned. */
  function recover(blamed: boolean): void {
    if (!version || isDown()) return
    const delayMs = blamed ? strikes.note(performance.now()) : 0
    if (delayMs === undefined) return giveUp()
    if (blamed) tell({ type: 'module:restarting', module: name, delayMs, failures: strikes.count, apart: apart !== undefined })
    const again = () => {
      if (!version || instance) return
      turns.take(() => place(version as Version)).catch((thrown: unknown) => {
        const reason = asBulkheadError(thrown)
        fail(reason)
        recover(reason.code !== 'CELL_LOST')
      })
    }
    clearTimeout(restart)
    restart = undefined
    if (delayMs === 0) again()
    else restart = setTimeout(again, delayMs)
  }

  function giveUp(): void {
    state = 'disabled'
    clearTimeout(rejoin)
    clearInterval(upkeep)
    const reason = `it failed ${strikes.count} times within a minute, last with ${error?.code ?? 'CELL_LOST'}; enable it by hand once it is mended`
    tell({ type: 'module:disabled', module: name, reason })
  }

  /** Lets a module that ended a cell live with others again once it has behaved. */
  function rejoinLater(): void {
    clearTimeout(rejoin)
    rejoin = setTimeout(() => {
      apart = undefined
      if (instance) turns.take(() => place(version as Version)).catch(() => {})
    }, APART_MS)
  }

  /** Loads a plugin for its use. Where that fails, its cell having been lost under it included, it is a failure like any other. */
  function wake(): Promise<void> {
    return turns.take(async () => {
      if (instance || state !== 'idle') return
      await place(version as Version).catch((thrown: unknown) => {
        const reason = asBulkheadError(thrown)
        fail(reason)
        recover(reason.code !== 'CELL_LOST')
        throw reason
      })
    })
  }

  async function awaitInstance(timeoutMs: number): Promise<Instance> {
    if (state === 'idle' && version && !isDown()) await within(timeoutMs, wake())
    else if (!instance && turns.busy) await within(timeoutMs, turns.idle())
    if (instance) return instance
    const why = error ? `, ${error.message}` : ''
    throw new BulkheadError('UNAVAILABLE', `cannot call ${name}, it is ${state}${why}`.slice(0, 500), { state })
  }

  /** Runs work on the instance, when its turn comes; once more where the instance was gone before the work reached it. */
  function admit<Done>(timeoutMs: number, work: (on: Instance, leftMs: number) => Promise<Done>): Promise<Done> {
    const started = performance.now()
    const run = async () => {
      const used = instance ?? (await awaitInstance(timeoutMs))
      usedAt = performance.now()
      try {
        return await work(used, timeoutMs - (usedAt - started))
      } catch (thrown) {
        const neverRan = thrown instanceof BulkheadError && thrown.code === 'UNAVAILABLE' && instance !== used
        if (!neverRan) throw thrown
        return work(instance ?? (await awaitInstance(timeoutMs)), timeoutMs - (performance.now() - started))
      }
    }
    return admission ? admission.run(run, timeoutMs) : run()
  }

  return {
    name,
    get state() {
      return state
    },
    get version() {
      return version
    },
    get error() {
      return error?.toJSON()
    },
    get failures() {
      return strikes.count
    },
    get readyAt() {
      return readyAt
    },
    get instance() {
      return instance
    },
    get recovering() {
      return turns.busy
    },
    get dismissed() {
      return dismissed
    },
    get quarantined() {
      return quarantined
    },
    settled: () => turns.idle(),
    async replace(next, onStep) {
      dismissed = false
      quarantined = false
      if (!instance) version = next
      clearTimeout(restart)
      strikes.clear()
      if (held) return void (state = held.state)
      if (isPlugin(next) && !instance) {
        error = undefined
        state = 'idle'
        return tell({ type: 'module:idle', module: name, version: next.manifest.version })
      }
      try {
        await turns.take(() => place(next, onStep))
      } catch (thrown) {
        const reason = asBulkheadError(thrown)
        fail(reason)
        throw reason
      }
    },
    call: (subject, context, timeoutMs) => admit(timeoutMs, (on, leftMs) => on.call(subject, context, leftMs)),
    invoke(invocation, timeoutMs = version?.manifest.limits.maxExecutionMs ?? HEALTH_MS, subject = { hook: invocation.name }) {
      const run = () => admit(timeoutMs, (on, leftMs) => on.invoke(invocation, leftMs, subject))
      if (invocation.target !== 'message' || !mailbox) return run()
      if (mailbox.waiting < MAX_MESSAGES) return mailbox.run(run, timeoutMs)
      const reached = { limit: 'messages', value: MAX_MESSAGES, used: mailbox.waiting }
      return Promise.reject(new BulkheadError('BUSY', `cannot tell ${name}, ${MAX_MESSAGES} messages wait for it`, reached))
    },
    refuse: fail,
    hold(reason, next) {
      if (held?.reason.message === reason.message || quarantined || state === 'stopping') return
      held = { reason, state: next }
      error = reason
      takeDown(dismissed ? 'disabled' : next)
      tell({ type: 'module:held', module: name, state: next, message: reason.message })
    },
    release() {
      if (!held || state === 'stopping') return
      held = undefined
      error = undefined
      if (dismissed || quarantined || !version) return
      if (isPlugin(version)) state = 'idle'
      else recover(false)
    },
    async disable() {
      dismissed = true
      clearTimeout(rejoin)
      error = undefined
      takeDown('disabled')
      tell({ type: 'module:disabled', module: name, reason: 'disabled by an operator' })
      await within(LEAVE_MS, Promise.all(retiring))
    },
    quarantine(reason) {
      quarantined = true
      clearTimeout(rejoin)
      error = reason
      takeDown('disabled')
      tell({ type: 'module:disabled', module: name, reason: reason.message })
    },
    fell(key, blame, reason) {
      if (instance?.key !== key) return
      clearInterval(upkeep)
      instance = undefined
      if (blame === 'nobody') return recover(false)
      fail(reason)
      if (blame !== 'isolate') {
        apart = blame.apart
        rejoinLater()
      }
      recover(true)
    },
    move(key) {
      if (instance?.key === key && version) turns.take(() => place(version as Version)).catch(() => {})
    },
    async stop() {
      clearTimeout(rejoin)
      takeDown('stopping')
      await turns.idle()
      await Promise.all(retiring)
      tell({ type: 'module:stopped', module: name })
    },
  }
}
