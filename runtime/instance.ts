import type { Caller } from '../bridge/capabilities.ts'
import type { GuestSettings, Handlers, Invocation } from '../bridge/contract.ts'
import { EXECUTION_CAPS, SCRIPT_CAPS } from '../bridge/caps.ts'
import { sha256 } from './artifacts.ts'
import type { Artifact } from './bundle.ts'
import { type DenoOptions, denoSettings, readServing } from './deno-settings.ts'
import type { Cell } from './cell-client.ts'
import type { Manifest } from './manifest.ts'
import type { CallOrder, Usage } from './protocol.ts'
import { randomId } from './random-id.ts'
import { mapStack } from './stack.ts'
import { openServedSockets } from './served-sockets.ts'
import type { Terms } from './terms.ts'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { HttpExchange } from '../bridge/http.host.ts'
import { parseBounded } from '../bridge/json.ts'

/** What runs when a module runs: one version, and the terms on which it does so at the time. */
export interface Version {
  readonly manifest: Manifest
  readonly artifact: Artifact
  /** @throws INVALID where what is configured does not fit the version */
  terms(): Terms
  /** Where its files lie on this host; what a host does not keep has none. */
  readonly source?: VersionSource
  /** A bare script: no hooks, and it runs until no timer waits. */
  readonly script?: boolean
  /** What `Deno` tells of how it is run, and the files of its folder. */
  readonly deno?: DenoOptions
}

export interface VersionSource {
  folder: string
  /** SHA-256 of its files; undefined where they are too many to be kept. */
  hash: string | undefined
  /** Whether it was taken from the database; its tables may be those of a later one then. */
  kept: boolean
}

/** One version of a module in one isolate of one cell. */
export interface Instance {
  readonly key: string
  readonly version: Version
  readonly cell: Cell
  /** Executions open in it, and sockets that clients have open to it. */
  readonly open: number
  readonly handlers: Handlers
  /** Those it runs on. */
  readonly terms: Terms
  /**
   * Puts it on other terms: at once as far as the host decides, and in the isolate when this resolves.
   *
   * @throws what the module's `onConfig` threw
   */
  take(terms: Terms): Promise<void>
  /** Runs one hook. Resolves with the verdict's text, unread. */
  call(subject: Subject, context: string, timeoutMs: number): Promise<Result>
  /** Calls one of the module's other functions. Resolves with what it returned. */
  invoke(invocation: Invocation, timeoutMs?: number, subject?: Subject): Promise<unknown>
  /**
   * Keeps a background open, under which timers run on between executions: one after the other, each with the budget
   * of an execution, so that a daemon may use `maxCpuMs` and its number of calls in every ten seconds.
   */
  live(): void
  /** Waits for what runs in it, then runs `stop` and `onUnload` and disposes the isolate. */
  retire(withinMs?: number): Promise<void>
}

export interface Result {
  text: string
  usage: Usage
  caller: Caller
}

/** Whom a call is about, as the host knows it. */
export interface Subject {
  hook: string
  session?: string
  user?: string
  run?: string
  class?: string
  /** The request that it answers. */
  http?: HttpExchange
  /** The modules that wait for this call, the first one first. */
  chain?: readonly string[]
}

/** The module's name in the key of one of its instances. */
export function nameOf(key: string): string {
  return key.slice(0, key.lastIndexOf('~'))
}

const BACKGROUND_MS = 10_000
/** The next background begins before the last one ends, so that no timer falls between them. */
const OVERLAP_MS = 1_000
const DRAIN_POLL_MS = 10
const LEARN_MS = 50
/** Clients have so long to answer when their sockets are closed, ms. */
const GOODBYE_MS = 2_000

/**
 * Loads a version into a cell.
 *
 * @throws LOAD_FAILED where top level or `onLoad` threw, a limit's error, CELL_LOST
 */
export async function placeInstance(key: string, version: Version, cell: Cell): Promise<{ instance: Instance; usage: Usage }> {
  const { manifest, artifact, script = false } = version
  const fresh = manifest.context === 'fresh'
  const { limits } = manifest
  const budget = { memoryMB: limits.maxMemoryMB, cpuMs: limits.maxCpuMs, wallMs: limits.maxExecutionMs }
  let terms = version.terms()
  let open = 0
  const ends: Array<() => void> = []

  const sockets = openServedSockets({
    module: manifest.name,
    maxConcurrency: limits.maxConcurrency,
    deliver: (id, pieces) => instance.invoke({ target: 'socket', name: 'socket', args: [id, pieces] }, budget.wallMs, { hook: 'websocket' }),
    onUse(isUsed) {
      if (isUsed) return goOn()
      leaveOff()
      if (lives === 0 && cell.instances.has(key)) instance.invoke({ target: 'socket', name: 'socket', args: [] }).catch(() => {})
    },
  })

  // Their prototype: an accessor in each of them would take ten times as long to make as all the rest.
  const common: Pick<Caller, 'module' | 'version' | 'permissions' | 'hide' | 'sockets'> = {
    module: manifest.name,
    version: manifest.version,
    // Of the terms at the time of asking: what is revoked is refused at once.
    get permissions() {
      return terms.permissions
    },
    hide: (value) => terms.hide.value(value),
    sockets,
  }
  const callerOf = (subject: Subject, wallMs: number): Caller => {
    let seq = 0
    const own: Omit<Caller, keyof typeof common> = {
      chain: [],
      ...subject,
      deadline: performance.now() + wallMs,
      execution: randomId(),
      violated: (permission) => terms.violated(caller, permission),
      asked: new Map(),
      extractions: [],
      atEnd: [],
      nextSeq: () => seq++,
    }
    const caller: Caller = Object.assign(Object.create(common) as typeof common, own)
    return caller
  }

  const loader = callerOf({ hook: 'onLoad' }, budget.wallMs)
  const { env, ...others } = terms.settings()
  const settings = { hooks: [...manifest.hooks], script, fresh, env: {}, ...others, caps: script ? SCRIPT_CAPS : EXECUTION_CAPS, memoryMB: budget.memoryMB }
  const more = JSON.stringify({ env, deno: await denoSettings(version) } satisfies Partial<GuestSettings>)
  let configSent = digestOf(settings.config)
  const { head: usage, body } = await cell
    .load({ module: key, name: manifest.name, execution: loader.execution, budget, settings, moreLength: more.length }, artifact.code + more, loader)
    .catch((thrown: unknown) => {
      throw asLoadError(told(thrown))
    })

  /** What the module threw, without secrets, its stack in the author's own files and lines. */
  function told(thrown: unknown): unknown {
    if (!(thrown instanceof BulkheadError)) return thrown
    const { stack, ...details } = (thrown.details ?? {}) as { stack?: unknown }
    const mapped = typeof stack === 'string' ? { ...details, stack: mapStack(stack, artifact.map) } : thrown.details
    return new BulkheadError(thrown.code, terms.hide.text(thrown.message), terms.hide.value(mapped), thrown.cause)
  }

  async function execute(kind: CallOrder['kind'], subject: Subject, text: string, timeoutMs: number): Promise<Result> {
    const wallMs = kind === 'background' ? timeoutMs : Math.ceil(Math.min(timeoutMs, budget.wallMs))
    const caller = callerOf(subject, wallMs)
    if (kind !== 'background') open++
    try {
      const order = { kind, module: key, execution: caller.execution, budget: { ...budget, wallMs } }
      const { head, body: result } = await cell.call(order, text, caller)
      return { text: terms.hide.json(result), usage: head, caller }
    } catch (thrown) {
      throw told(thrown)
    } finally {
      if (kind !== 'background') open--
    }
  }

  let lives = 0
  let rotation: NodeJS.Timeout | undefined

  function goOn(): void {
    const again = () => {
      if (!cell.instances.has(key)) return over('the module has ended')
      // It ends with the isolate, which the host may learn of a little later.
      execute('background', { hook: 'background' }, '', BACKGROUND_MS).catch((thrown: unknown) => {
        setTimeout(() => cell.instances.has(key) || over(asBulkheadError(thrown).message), LEARN_MS)
      })
    }
    const over = (why: string) => {
      clearInterval(rotation)
      void sockets.closeAll(1011, why, 0)
    }
    if (++lives > 1) return
    rotation = setInterval(again, BACKGROUND_MS - OVERLAP_MS)
    again()
  }

  function leaveOff(): void {
    if (--lives === 0) clearInterval(rotation)
  }

  const instance: Instance = {
    key,
    version,
    cell,
    get open() {
      return open + sockets.size
    },
    handlers: readHandlers(body),
    get terms() {
      return terms
    },
    async take(next) {
      terms = next
      if (fresh) return cell.take(key, next.settings())
      const { config, ...others } = next.settings()
      const isSame = configSent === digestOf(config)
      configSent = digestOf(config)
      await instance.invoke({ target: 'terms', name: 'onConfig', args: [isSame ? others : { config, ...others }] })
    },
    call: (subject, context, timeoutMs) => execute('call', subject, context, timeoutMs),
    async invoke(invocation, timeoutMs = budget.wallMs, subject = { hook: invocation.name }) {
      const { text } = await execute('invoke', subject, JSON.stringify(invocation), timeoutMs)
      return readResult(text)
    },
    live() {
      goOn()
      ends.push(leaveOff)
    },
    async retire(withinMs = Infinity) {
      for (const end of ends.splice(0)) end()
      sockets.pause()
      const deadline = performance.now() + Math.min(budget.wallMs, withinMs)
      while (open > 0 && performance.now() < deadline) await new Promise((done) => setTimeout(done, DRAIN_POLL_MS))
      await sockets.closeAll(1001, 'the module is unloaded', Math.min(GOODBYE_MS, withinMs))
      if (!cell.instances.has(key)) return
      // What it does on leaving is its own; it leaves all the same.
      for (const name of ['stop', 'onUnload']) {
        if (!instance.handlers.lifecycle.includes(name)) continue
        await instance.invoke({ target: 'lifecycle', name, args: [] }, Math.min(budget.wallMs, withinMs)).catch(() => {})
      }
      if (cell.instances.has(key)) await cell.unload(key).catch(() => {})
    },
  }
  return { instance, usage }
}

/** By which a configuration is known without being kept: there may be secrets in it. */
function digestOf(config: unknown): string {
  return sha256(JSON.stringify(config))
}

function readResult(text: string): unknown {
  try {
    return parseBounded(text)
  } catch {
    throw new BulkheadError('MODULE_FAILED', 'the result cannot be read, it is no JSON or nested too deep')
  }
}

/** The cell's report of what it loaded; hostile, so only what has the right shape is taken from it. */
function readHandlers(text: string): Handlers {
  const report = readResult(text) as Partial<Record<keyof Handlers, unknown>> | null
  const names = (value: unknown) => (Array.isArray(value) ? value.filter((name) => typeof name === 'string').slice(0, 1_000) : [])
  return {
    hooks: names(report?.hooks),
    lifecycle: names(report?.lifecycle),
    service: names(report?.service),
    jobs: names(report?.jobs),
    messages: report?.messages === true,
    ...readServing(report),
  }
}

function asLoadError(thrown: unknown): unknown {
  if (!(thrown instanceof BulkheadError) || thrown.code !== 'MODULE_FAILED') return thrown
  return new BulkheadError('LOAD_FAILED', thrown.message, thrown.details)
}
