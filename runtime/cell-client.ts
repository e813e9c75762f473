import { type Capabilities, type Caller, serveAsk } from '../bridge/capabilities.ts'
import { CHUNK_CAPABILITIES } from '../bridge/caps.ts'
import type { ExecutionCaps, GuestSettings } from '../bridge/contract.ts'
import { BulkheadError, ERRORS, type ErrorCode } from '../bridge/errors.ts'
import { type Executed, executed } from './executed.ts'
import type { CallOrder, CellSettings, LoadOrder, Usage } from './protocol.ts'
import type { Programs } from './programs.ts'
import type { Message } from './rpc.ts'
import { type CellEnd, spawnCell } from './spawn.ts'

/** Which modules may share a cell: none of one group ever meets one of another. */
export type Trust = 'shipped' | 'installed' | `alone:${string}` | `suspects:${string}`

/**
 * How many asks of one execution, refused ones among them, past which a cell is held to be lying: its own bridge would have
 * stopped the module long before.
 */
const askLimit = ({ calls, emits, logLines }: ExecutionCaps) => 2 * (calls + emits + logLines)

export interface OpenExecution {
  readonly instance: string
  readonly caller: Caller
  readonly startedAt: number
  readonly wallMs: number
  readonly memoryMB: number
  asks: number
  /** Asks for pieces of bodies, which come in other numbers. */
  chunks: number
  /** Of a module's background, open as long as it runs. */
  readonly lasting: boolean
}

/** Who was executing: not those who merely live there, unless nobody else did anything. */
export function suspectsOf(open: Iterable<OpenExecution>): string[] {
  const all = [...open]
  const busy = all.filter(({ lasting }) => !lasting)
  return (busy.length > 0 ? busy : all).map(({ instance }) => instance)
}

export interface CellEvents {
  /** The isolate of an instance is gone, the cell lives on. */
  lost(instance: string, error: BulkheadError): void
  /** The cell takes no more work, and is ended once what runs in it is done. */
  doomed(why: string, culprit: string | undefined): void
  /** The cell is gone, or as good as: told before those who wait for its answers learn of it. */
  ending(death: CellDeath): void
  /** What V8's inspector says, in a cell that was opened for a debugger; not called for others. */
  debugged?(message: string): void
  /** An instance is on its way into the cell, and V8's inspector can be told of it. */
  loading?(instance: string): void
  /** An execution has ended, one way or another. */
  executed(report: Executed): void
}

/** The host's end of a cell. */
export interface Cell {
  readonly pid: number
  readonly trust: Trust
  /** Keys of the instances in it. */
  readonly instances: ReadonlySet<string>
  /** MB that its instances may hold together. */
  readonly memoryMB: number
  readonly open: ReadonlyMap<string, OpenExecution>
  readonly ended: Promise<CellEnd>
  /** Set when it must take no more work. */
  doomed: boolean
  /** Instances that are on their way here. */
  expected: number
  /** How often something was loaded into it: each leaves a little memory behind. */
  readonly loads: number
  load(order: LoadOrder, code: string, caller: Caller): Promise<Message<Usage>>
  call(order: CallOrder, context: string, caller: Caller): Promise<Message<Usage>>
  /** Other settings for the contexts of an instance that are made from now on. */
  take(instance: string, settings: Partial<GuestSettings>): Promise<void>
  unload(instance: string): Promise<void>
  ping(): Promise<unknown>
  /** What was counted of an instance since it was loaded, as its cell says; of a cell that was opened to count. */
  coverage(instance: string): Promise<string>
  /** Tells V8's inspector something; `run` lets a module begin that waits for its debugger. */
  debug(instance: string, message: string, run: boolean): Promise<void>
  /** Ends it at once; where it is known who is to blame, the others that were executing are not. */
  kill(reason: BulkheadError, culprit?: string): void
}

export interface CellDeath {
  reason: BulkheadError
  /** Who was placed in it, and whom it is laid to: the known culprit, or whoever was executing. */
  instances: readonly string[]
  culprits: ReadonlySet<string>
}

/**
 * Starts a cell for one group of trust. What it asks is served only for executions that this host opened in it:
 * anything else ends it as a violation.
 *
 * @throws CELL_LOST
 */
export async function openCell(
  trust: Trust,
  { programs, settings, capabilities, events }: { programs: Programs; settings: CellSettings; capabilities: Capabilities; events: CellEvents },
): Promise<Cell> {
  const instances = new Set<string>()
  const limitsMB = new Map<string, number>()
  const open = new Map<string, OpenExecution>()
  /** By instance; of every one that was ever placed here. */
  const maxAsks = new Map<string, { asks: number; chunks: number }>()
  const violate = (what: string): never => {
    violation ??= what
    child.kill(new BulkheadError('CELL_LOST', `the cell that ran this was ended, ${what}`))
    throw new BulkheadError('FORBIDDEN', what)
  }
  let blamed: string | undefined
  let violation: string | undefined
  let loads = 0
  const onEnding = (reason: BulkheadError) => {
    const executing = suspectsOf(open.values())
    events.ending({ reason, instances: [...instances], culprits: new Set(blamed === undefined ? executing : [blamed]) })
  }

  const child = await spawnCell(programs, settings, {
    async ask(head, args) {
      const { module: instance, execution, capability } = fieldsOf(head)
      const opened = typeof execution === 'string' ? open.get(execution) : undefined
      // An answer may cross the end of its execution; asking for another module's, or one never opened, cannot.
      if (typeof capability !== 'string' || (opened && opened.instance !== instance)) return violate('it asked in the name of another')
      if (!opened) throw new BulkheadError('CAPABILITY_DENIED', `cannot call ${capability.slice(0, 64)}, the execution has ended`)
      const max = maxAsks.get(opened.instance) ?? { asks: 0, chunks: 0 }
      const isPast = CHUNK_CAPABILITIES.includes(capability) ? ++opened.chunks > max.chunks : ++opened.asks > max.asks
      if (isPast) return violate('it asked without end')
      return { head: null, body: await serveAsk(capabilities, opened.caller, capability, args) }
    },
    async lost(head) {
      const { module: instance, error } = fieldsOf(head)
      const reason = readReason(error)
      if (!reason || !instances.delete(instance as string)) return violate('it lost a module that it does not hold')
      events.lost(instance as string, reason)
      return { head: null, body: '' }
    },
    async doomed(head) {
      const { why, module: culprit } = fieldsOf(head)
      if (typeof why !== 'string' || (culprit !== undefined && !maxAsks.has(culprit as string))) {
        return violate('it named a module that it does not hold')
      }
      events.doomed(why.slice(0, 500), culprit as string | undefined)
      return { head: null, body: '' }
    },
    async debugged(head, message) {
      if (!events.debugged || !maxAsks.has(fieldsOf(head)['module'] as string)) return violate('it debugs what nobody does')
      events.debugged(message)
      return { head: null, body: '' }
    },
  }, onEnding)

  /** Opens an execution for as long as `run` takes, so that what the cell asks meanwhile is served in its name. */
  async function during(order: Omit<CallOrder, 'kind'> & { kind?: CallOrder['kind'] }, caller: Caller, run: () => Promise<Message<Usage>>): Promise<Message<Usage>> {
    const { module: instance, execution, budget } = order
    open.set(execution, { instance, caller, startedAt: performance.now(), wallMs: budget.wallMs, memoryMB: budget.memoryMB, asks: 0, chunks: 0, lasting: order.kind === 'background' })
    const startedAt = performance.now()
    const count = (ended: Parameters<typeof executed>[3]) => {
      if (order.kind !== 'background') events.executed(executed(caller, startedAt, settings.threads, ended))
    }
    try {
      const answer = await run()
      count(answer)
      return answer
    } catch (thrown) {
      count({ thrown })
      throw thrown
    } finally {
      open.delete(execution)
      for (const give of caller.atEnd) give()
    }
  }

  const cell: Cell = {
    pid: child.pid,
    trust,
    instances,
    get memoryMB() {
      let sum = 0
      for (const instance of instances) sum += limitsMB.get(instance) ?? 0
      return sum
    },
    open,
    ended: child.ended.then((end) => ({ ...end, ...(violation === undefined ? {} : { violation }) })),
    doomed: false,
    expected: 0,
    get loads() {
      return loads
    },
    load: (order, code, caller) =>
      during(order, caller, async () => {
        loads++
        instances.add(order.module)
        limitsMB.set(order.module, order.budget.memoryMB)
        maxAsks.set(order.module, { asks: askLimit(order.settings.caps), chunks: 2 * order.settings.caps.chunks })
        try {
          const loaded = child.wire.call('load', order, code)
          events.loading?.(order.module)
          return await loaded
        } catch (thrown) {
          instances.delete(order.module)
          throw thrown
        }
      }),
    call: (order, context, caller) => during(order, caller, () => child.wire.call('call', order, context)),
    async take(instance, next) {
      await child.wire.call('take', { module: instance }, JSON.stringify(next))
    },
    async unload(instance) {
      try {
        await child.wire.call('unload', { module: instance })
      } finally {
        instances.delete(instance)
      }
    },
    ping: () => child.wire.call('ping', null),
    coverage: async (instance) => (await child.wire.call('coverage', { module: instance })).body,
    async debug(instance, message, run) {
      await child.wire.call('debug', { module: instance, run }, message)
    },
    kill(reason, culprit) {
      blamed ??= culprit
      child.kill(reason)
    },
  }
  return cell
}

/** The fields of a head that a cell sent; whatever it sent instead of an object has none. */
function fieldsOf(head: unknown): Readonly<Record<string, unknown>> {
  return typeof head === 'object' && head !== null ? (head as Record<string, unknown>) : {}
}

function readReason(error: unknown): BulkheadError | undefined {
  const { code, message, details } = fieldsOf(error)
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code) || typeof message !== 'string') return undefined
  return new BulkheadError(code as ErrorCode, message.slice(0, 2_000), details)
}
