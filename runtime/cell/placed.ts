import type { DeliveryKind, GuestSettings, Post } from '../../bridge/contract.ts'
import { CELL_CAPS } from '../../bridge/cell-calls.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Budget, CallOrder, LoadOrder, Usage } from '../protocol.ts'
import type { Message } from '../rpc.ts'
import { type Delivery, type Entry, openEntrance } from './entrance.ts'
import { cpuError, type Execution, memoryError, openExecution, timeoutError } from './execution.ts'
import { guestFailure, readGuestError, refusalText, rejectionText } from './guest-error.ts'
import type { Inspector } from './inspector.ts'
import { createIsolate, type Snapshot } from './isolate.ts'
import { openRealms } from './realms.ts'
import { isCellCall, openServices } from './services.ts'
import type { Slots } from './slots.ts'

/** What the cell does for a module: all of it is asked of the host. */
export interface Outside {
  ask(execution: string, capability: string, args: string): Promise<string>
  /** The isolate is gone and this is why; the module must be placed anew. */
  lost(error: BulkheadError): void
  /** The thread inside is lost to V8 or does not come back: the cell has to end. */
  doomed(why: string): void
}

/** A module's instance in this cell: its isolate, the contexts in it, and the executions open there. */
export interface PlacedModule {
  readonly memoryMB: number
  readonly inspector: Inspector | undefined
  /** What its script is called. */
  readonly url: string
  load(): Promise<Message<Usage>>
  run(order: CallOrder, text: string): Promise<Message<Usage>>
  /** Contexts that are made from now on have these settings instead; what is in one that is there it is told by a call. */
  take(settings: Partial<GuestSettings>): void
  /** The entry a thread is in now, even if the isolate has been disposed under it. */
  readonly entry: Entry | undefined
  /** Ends what is past its budget. Called by the watchdog. */
  enforce(now: number): void
  /** Ends the isolate and what runs in it, and tells the host. */
  dispose(error: BulkheadError): void
  /** The same at the host's own wish. */
  retire(): void
  readonly gone: boolean
  /** Since when, in ms, a thread is inside a disposed isolate. */
  readonly stuckSince: number | undefined
}

function isStoreFailure(thrown: unknown): boolean {
  return !(thrown instanceof BulkheadError) || ['STORE_FAILED', 'STORE_FULL', 'CELL_LOST', 'INTERNAL'].includes(thrown.code)
}

const unlessRefused = (stored: Promise<unknown>) =>
  stored.catch((thrown: unknown) => {
    if (isStoreFailure(thrown)) throw thrown
  })

export function placeModule(
  order: LoadOrder,
  body: string,
  cell: { snapshot: Snapshot; slots: Slots; outside: Outside; inspected: boolean },
): PlacedModule {
  const { name, budget, settings } = order
  const code = body.slice(0, body.length - (order.moreLength ?? 0))
  const executions = new Map<string, Execution>()
  let background: Execution | undefined
  let gone: BulkheadError | undefined
  let goneAt: number | undefined

  const heard = (realm: number, ...[kind, executionId, ask, postName, text]: Parameters<Post>) => {
    if (kind === 'done') return finishAll(realm, executionId.split(' '), postName.split(' '), text)
    const named = executions.get(executionId)
    const execution = named?.realm === realm ? named : undefined
    if (kind === 'failed' && !execution) complain(realm, text)
    else if (!execution || gone) return
    else if (kind === 'failed') failed(execution, guestFailure(text))
    else askHost(execution, kind === 'ask' ? ask : undefined, postName, text)
  }
  let guestSettings = { ...settings, ...(JSON.parse(body.slice(code.length) || '{}') as Partial<GuestSettings>) }
  const url = `bulkhead:///${name}`
  const isolate = createIsolate({
    snapshot: cell.snapshot,
    code,
    filename: url,
    settings: JSON.stringify(guestSettings),
    memoryMB: budget.memoryMB,
    inspected: cell.inspected,
    onCatastrophe(message) {
      dispose(memoryError(budget.memoryMB))
      cell.outside.doomed(`V8 lost the isolate of ${name}, ${message}`)
    },
  })
  const services = openServices()
  const realms = openRealms(isolate, {
    fresh: settings.fresh,
    maxTimers: settings.caps.timers,
    heard,
    fire: (realm, id) => fire(realm, String(id)),
  })
  const entrance = openEntrance(name, isolate, realms, cell.slots, afterEnd, entryFailed)

  function fire(realm: number, id: string): void {
    const owner = background && executions.has(background.id) ? background : firstIn(realm)
    if (owner) entrance.enqueue({ kind: 'timer', id, text: '', execution: owner })
  }

  /** Timers are the context's: another execution there lends them its name. */
  function afterEnd({ kind, id, execution }: Delivery): void {
    if (kind === 'timer') fire(execution.realm, id)
  }

  function open(id: string, ownBudget: Budget, lasting = false): Execution {
    if (gone) throw gone
    const execution = openExecution(id, ownBudget, { lasting, realm: realms.open() })
    executions.set(id, execution)
    return execution
  }

  function firstIn(realm: number): Execution | undefined {
    return executions.values().find((execution) => execution.realm === realm)
  }

  function end(execution: Execution, settle: () => void): void {
    if (!executions.delete(execution.id)) return
    if (!firstIn(execution.realm)) leave(execution.realm)
    settle()
  }

  function leave(realm: number): void {
    if (!realms.leave(realm)) return
    entrance.drop(realm)
    services.leave(realm)
  }

  /** Memory that V8 does not count is counted by the bridge, which has found that it is too much. */
  function failed(execution: Execution, failure: BulkheadError): void {
    if (failure.code === 'MEMORY_LIMIT') dispose(failure)
    else end(execution, () => execution.fail(failure))
  }

  function finishAll(realm: number, ids: readonly string[], lengths: readonly string[], results: string): void {
    let at = 0
    for (const [index, id] of ids.entries()) {
      const execution = executions.get(id)
      const to = at + Number(lengths[index])
      if (execution?.realm === realm) finish(execution, results.slice(at, to))
      at = to
    }
  }

  /** An execution has succeeded only when its records are in the database. */
  function finish(execution: Execution, result: string): void {
    if (execution.unstored.size > 0) void finishStored(execution, result)
    else end(execution, () => execution.succeed(result, runningMs(execution)))
  }

  async function finishStored(execution: Execution, result: string): Promise<void> {
    try {
      while (execution.unstored.size > 0) await Promise.all([...execution.unstored].map(unlessRefused))
      end(execution, () => execution.succeed(result, runningMs(execution)))
    } catch (thrown) {
      const error = thrown instanceof BulkheadError ? thrown : new BulkheadError('STORE_FAILED', 'cannot keep a record')
      end(execution, () => execution.fail(error))
    }
  }

  function askHost(execution: Execution, ask: number | undefined, capability: string, args: string): void {
    execution.calls++
    const { caps } = settings
    if (execution.calls > caps.calls + caps.emits + caps.logLines + caps.chunks || args.length > (isCellCall(capability) ? CELL_CAPS.callLength : Math.max(caps.largeAskBytes, caps.logBytes))) {
      return dispose(new BulkheadError('CALL_LIMIT', `isolate of ${name} disposed, it passed the caps of its bridge`))
    }
    const answer = isCellCall(capability) ? services.ask(execution, capability, args) : cell.outside.ask(execution.id, capability, args)
    if (ask === undefined) return void answer.catch(() => {})
    if (capability === 'emit') {
      execution.unstored.add(answer)
      const settle = () => execution.unstored.delete(answer)
      // A refused record is the module's to hear of; one that the store could not take fails the execution.
      answer.then(settle, (thrown: unknown) => isStoreFailure(thrown) || settle())
    }
    const deliver = (kind: DeliveryKind, text: string) => {
      if (executions.has(execution.id)) entrance.enqueue({ kind, id: String(ask), text, execution })
    }
    answer.then(
      (text) => deliver('answer', text),
      (thrown: unknown) => deliver('refusal', refusalText(thrown)),
    )
  }

  /** What the entry that it is in now has used: its own share is charged only when the thread has left. */
  function runningMs(execution: Execution): number {
    const { entry } = entrance
    return entry?.executions.includes(execution) ? entrance.usedMs(entry) / entry.executions.length : 0
  }

  /** An error that is no execution's goes to the module's log, in the name of one that is open. */
  function complain(realm: number, text: string): void {
    const execution = firstIn(realm)
    // Timers throw as often as they like; told without end, the host would take the cell for a liar.
    if (!execution || ++execution.complaints > settings.caps.logLines) return
    const { name: errorName, message } = readGuestError(text)
    const line = JSON.stringify({ level: 'error', message: `uncaught ${errorName}: ${message}` })
    cell.outside.ask(execution.id, 'log', line).catch(() => {})
  }

  function entryFailed(realm: number, thrown: unknown): void {
    if (gone) return
    // We did not dispose of it: V8 does so by itself for memory alone, also between two entries.
    if (isolate.isDisposed()) return dispose(memoryError(budget.memoryMB))
    if (thrown instanceof BulkheadError) return failAll(realm, thrown)
    // A rejection that nobody handled: the listeners of `unhandledrejection` may prevent what it would cost.
    const execution = firstIn(realm)
    if (execution) entrance.enqueue({ kind: 'rejection', id: execution.id, text: rejectionText(thrown), execution })
  }

  /** Nothing has entered that realm, and nothing will. */
  function failAll(realm: number, error: BulkheadError): void {
    for (const execution of [...executions.values()]) if (execution.realm === realm) end(execution, () => execution.fail(error))
  }

  function dispose(error: BulkheadError): void {
    if (gone) return
    close(error)
    cell.outside.lost(error)
  }

  function close(error: BulkheadError): void {
    gone = error
    goneAt = performance.now()
    entrance.close()
    realms.close()
    services.close()
    isolate.dispose()
    for (const execution of executions.values()) execution.fail(error)
    executions.clear()
  }

  return {
    memoryMB: budget.memoryMB,
    inspector: isolate.inspector,
    url,
    load() {
      const execution = open(order.execution, budget)
      entrance.enqueue({ kind: 'load', id: execution.id, text: '', execution })
      return execution.ended
    },
    run({ kind, execution: id, budget: ownBudget }, text) {
      const execution = open(id, ownBudget, kind === 'background')
      if (execution.lasting) background = execution
      entrance.enqueue({ kind, id, text, execution })
      return execution.ended
    },
    take(next) {
      guestSettings = { ...guestSettings, ...next }
      if (!gone) isolate.take(JSON.stringify(guestSettings))
    },
    get entry() {
      return entrance.entry
    },
    enforce(now) {
      if (gone) return
      const { entry } = entrance
      if (entry) {
        const entryMs = entrance.usedMs(entry)
        for (const execution of entry.executions) {
          const usedMs = execution.cpuMs + entryMs
          if (usedMs > execution.budget.cpuMs) return dispose(cpuError(execution, usedMs))
          // A thread that is inside when time is up may be in code that would never leave.
          const [since, wallMs] = execution.lasting ? [entry.startedAt, budget.wallMs] : [execution.startedAt, execution.budget.wallMs]
          if (now - since > wallMs) return dispose(timeoutError(execution))
        }
      }
      for (const execution of executions.values()) {
        // Nothing of it runs; without its execution no answer and no timer can make it run again.
        if (now - execution.startedAt <= execution.budget.wallMs) continue
        if (execution.lasting) end(execution, () => execution.succeed('null', 0))
        else end(execution, () => execution.fail(timeoutError(execution)))
      }
    },
    dispose,
    retire() {
      if (!gone) close(new BulkheadError('UNAVAILABLE', `${name} was unloaded`))
    },
    get gone() {
      return gone !== undefined
    },
    get stuckSince() {
      return entrance.entry && goneAt
    },
  }
}
