import type { HookContext, Log } from '../sdk/context.ts'
import { openConsole } from './console.guest.ts'
import { openContext } from './context.guest.ts'
import type { ChunkIndex, DeliveryKind, GuestEntries, GuestError, GuestSettings, Handlers, Invocation, Post, WasmElsewhere } from './contract.ts'
import { exitCodeOf, registry } from './deno/registry.guest.ts'
import { describeError, received, refusal, rejectionOf } from './errors.guest.ts'
import { type GuestModule, type Handler, openModule } from './module.guest.ts'
import { openPowers, type Powers } from './powers.guest.ts'
import { defineProperty, indexOf, keys, parse, PromiseOf, ProxyOf, resolved, slice, stringify, table, text, TypeErrorOf, whenSettled } from './primordials.guest.ts'
import { openTimers } from './timers.guest.ts'
import { meterWebAssembly, type WasmMeter } from './wasm.guest.ts'
import { timeoutWith } from './web/abort.guest.ts'
import { takeWebAssembly } from './web/utf8-program.guest.ts'
import { now, startClock } from './web/clock.guest.ts'
import { installLazyGlobals, lazily, preloadChunks, takeChunks } from './web/globals.guest.ts'
import { connectHost, type HostAsk } from './web/host.guest.ts'
import { seedRandom } from './web/random.guest.ts'
import { reportException, reportRejection, reportTo, tellOfLife } from './web/report.guest.ts'
import { runTasksWith } from './web/task.guest.ts'
import { installWindow } from './web/window.guest.ts'
import { withhold } from './withhold.guest.ts'

let post: Post
let settings: GuestSettings
let bundle: Handler
let module: GuestModule
let wasm: WasmMeter
let timers: ReturnType<typeof openTimers>
// A script's end: it runs on while timers wait, and an error in one of them is the script's.
let failScript: ((thrown: unknown) => void) | undefined
const powersOf = table<string, Powers>()
const askOf = table<string, HostAsk>()
const pendingAsks = table<number, { resolve(answer: string): void; reject(error: Error): void }>()
let asking = 0
const asks: typeof pendingAsks = {
  get: pendingAsks.get,
  set(id, ask) {
    asking++
    pendingAsks.set(id, ask)
  },
  delete(id) {
    asking--
    pendingAsks.delete(id)
  },
}
// The execution that entered last. Where executions interleave, lines of `console` may name their neighbour of the same module.
let current = ''
let background = ''

// Nothing may be thrown out of an entry: isolated-vm would copy the error, running the module's getters under no limit.
const entries: GuestEntries = {
  start(run, cellPost, settingsText, seed, index, chunks) {
    bundle = run as Handler
    post = cellPost
    settings = parse(settingsText) as GuestSettings
    seedRandom(seed)
    startClock()
    takeChunks(parse(index) as ChunkIndex, chunks)
    takeWebAssembly()
    wasm = meterWebAssembly(settings.memoryMB, settings.fresh ? tellOfWasm : undefined)
    withhold()
    installGlobals()
  },
  preload: (...chunks) => preloadChunks(chunks),
  deliver(...flat) {
    wasm.recount()
    for (let i = 0; i < flat.length; i += 3) {
      const id = flat[i + 1] as string
      try {
        deliverOne(flat[i] as DeliveryKind, id, flat[i + 2] as string)
      } catch (thrown) {
        post('failed', id, 0, '', describeError(thrown))
      }
    }
    // One execution may go on by timers and answers for long.
    const overdraft = wasm.overdraft()
    if (overdraft) post('failed', current, 0, '', describeError(overdraft))
  },
}

function deliverOne(kind: DeliveryKind, id: string, body: string): void {
  if (kind === 'load') {
    open(id)
    settle(id, load, handlersText)
  } else if (kind === 'elsewhere') {
    wasm.elsewhere(parse(body) as WasmElsewhere)
  } else if (kind === 'call') {
    const powers = open(id)
    settle(id, () => onceLoaded(() => callHook(openContext(body, powers))), verdictText)
  } else if (kind === 'invoke') {
    const powers = open(id)
    const invocation = parse(body) as Invocation
    if (invocation.target === 'fetch') return settle(id, () => onceLoaded(() => callFetch(id, invocation.args[0], powers)), resultText)
    if (invocation.target === 'socket') return settle(id, () => tellSocket(invocation.args, powers), resultText)
    // What others have asked for is done in their name and time; only the module's own life lasts.
    const own = invocation.target === 'lifecycle' || invocation.target === 'terms'
    if (own && background !== '') current = background
    settle(id, () => onceLoaded(() => module.invoke(invocation, own ? lasting(powers) : powers)), resultText)
  } else if (kind === 'background') {
    close(background)
    open((background = id))
  } else if (kind === 'timer') {
    current = background || current
    try {
      timers.fire(+id)
    } catch (thrown) {
      reportException(thrown)
    }
  } else if (kind === 'rejection') {
    current = id
    const reason = rejectionOf(body)
    const promise = new PromiseOf<never>((_, reject) => reject(reason))
    whenSettled(promise, () => {}, () => {})
    if (!reportRejection(promise, reason)) endUncaught(reason, 'rejection')
  } else {
    const ask = asks.get(+id)
    asks.delete(+id)
    if (kind === 'answer') ask?.resolve(body)
    else ask?.reject(received(body))
    if (asking === 0) onAnswered?.()
  }
}

function open(execution: string): Powers {
  current = execution
  timers.replenish()
  const powers = openPowers({ execution, post, settings, asks, lend: (ask) => askOf.set(execution, ask) })
  powersOf.set(execution, powers)
  return powers
}

/** Powers that go on under the background execution of the time, as a daemon keeps what its start() was given. */
function lasting(powers: Powers): Powers {
  if (background === '') return powers
  const get = (_: unknown, name: string | symbol) => (powersOf.get(background) ?? powers)[name as keyof Powers]
  return new ProxyOf(powers, { get }) as Powers
}

function close(execution: string): void {
  powersOf.get(execution)?.close()
  powersOf.delete(execution)
  askOf.delete(execution)
}

/** Runs one execution to its end and posts how it ended, once. */
function settle(execution: string, run: () => unknown, toText: (value: unknown) => string): void {
  const succeed = (value: unknown): void => {
    try {
      const overdraft = wasm.overdraft()
      if (overdraft) return fail(overdraft)
      const result = toText(value)
      close(execution)
      tellEnd(execution, result)
    } catch (thrown) {
      fail(thrown)
    }
  }
  const fail = (thrown: unknown): void => {
    if (exitCodeOf(thrown) === 0 && toText !== handlersText) return succeed(undefined)
    const description = describeError(wasm.overdraft() ?? thrown)
    close(execution)
    post('failed', execution, 0, '', description)
  }
  try {
    whenSettled(resolved(run()), succeed, fail)
  } catch (thrown) {
    fail(thrown)
  }
}

// Results that are on their way out. Each way out costs the cell more than most calls do, so that those which end
// together are told of together: all whose last microtask was waiting when the first one's ran.
const MAX_TOGETHER = 65_536
let ids = ''
let lengths = ''
let results = ''

function tellEnd(execution: string, result: string): void {
  if (results.length + result.length > MAX_TOGETHER) tellEnds()
  if (ids !== '') {
    ids += ' ' + execution
    lengths += ' ' + result.length
    results += result
    return
  }
  ids = execution
  lengths = '' + result.length
  results = result
  whenSettled(resolved(undefined), tellEnds, () => {})
}

function tellEnds(): void {
  if (ids === '') return
  post('done', ids, 0, lengths, results)
  ids = lengths = results = ''
}

/** In a fresh context the module is loaded for the one call that is made in it, on that call's budget. */
function onceLoaded(run: () => unknown): unknown {
  return settings.fresh ? loadAnd(run) : run()
}

async function loadAnd(run: () => unknown): Promise<unknown> {
  try {
    await load()
  } catch (thrown) {
    throw exitCodeOf(thrown) === undefined ? thrown : leftTooEarly()
  }
  return await run() // without await, the module's own Promise.prototype.then would be asked
}

async function load(): Promise<Handlers> {
  let exported: { default?: unknown } = {}
  const keep = (namespace: { default?: unknown }) => (exported = namespace)
  if (settings.script) {
    await new PromiseOf<void>((resolve, reject) => {
      failScript = reject
      const onIdle = () => {
        tellOfLife('beforeunload')
        tellOfLife('unload')
        resolve()
      }
      const onRun = () => {
        tellOfLife('load')
        if (registry.handler || registry.crons.length > 0) resolve() // it lives on until somebody ends it
        else timers.globals.setTimeout(() => whenIdle(onIdle), 0) // by then a rejection that nobody handled has been told
      }
      whenSettled(resolved(bundle(keep)), onRun, reject)
    })
    failScript = undefined
  } else await bundle(keep)
  module = openModule(exported.default, settings)
  return await module.load() // without await, the module's own Promise.prototype.then would be asked
}

let onAnswered: (() => void) | undefined

/** Calls back once nothing can make a script run again: no timer waits, and no answer. */
function whenIdle(callback: () => void): void {
  timers.whenIdle(() => {
    if (asking === 0) return callback()
    onAnswered = () => {
      onAnswered = undefined
      // What the answer leads to runs before a timer does.
      timers.globals.setTimeout(() => {}, 0)
      whenIdle(callback)
    }
  })
}

function handlersText(value: unknown): string {
  if (!value) throw leftTooEarly()
  return stringify(value)
}

function leftTooEarly(): Error {
  return refusal('LOAD_FAILED', 'cannot load, the module called Deno.exit() before it had loaded')
}

function callHook(ctx: HookContext): unknown {
  const handler = module.handlerOf(ctx.hook)
  if (!handler) throw refusal('MODULE_FAILED', `cannot handle "${text(ctx.hook)}", no handler is left for it`)
  return handler(ctx)
}

async function callFetch(execution: string, head: unknown, powers: Powers): Promise<unknown> {
  const handler = module.fetcher()
  if (!handler) throw refusal('NOT_FOUND', 'cannot answer the request, the module has no handler of requests')
  const { answer } = lazily('deno/serve') as { answer(handler: unknown, head: unknown, ask: unknown): Promise<unknown> }
  const result = await answer(handler, head, askOf.get(execution))
  if (result === 'upgraded') await answered(powers)
  return result
}

/** Tells a socket of the module what came, and goes on as long as what that began has asked and waits. */
function tellSocket(args: unknown[], powers: Powers): unknown {
  if (args.length === 0) {
    close(background)
    background = ''
    return
  }
  const { take } = lazily('deno/upgrade') as { take(id: unknown, pieces: unknown): void }
  take(args[0], args[1])
  return answered(powers)
}

/** Resolves when no answer is waited for, and what the last one led to has asked for nothing more. */
function answered(powers: Powers): Promise<void> {
  const nextTurn = (callback: () => void) => {
    try {
      timers.globals.setTimeout(callback, 0)
    } catch {
      callback() // the module has set all the timers that it may
    }
  }
  return new PromiseOf<void>((resolve) => {
    nextTurn(() => powers.whenAnswered(() => nextTurn(() => powers.whenAnswered(resolve))))
  })
}

function verdictText(value: unknown): string {
  return value === undefined || value === null ? '{"action":"continue"}' : resultText(value)
}

function resultText(value: unknown): string {
  const result = value === undefined ? 'null' : (stringify(value) as string | undefined)
  if (result === undefined) throw refusal('MODULE_FAILED', `cannot return the result, it is a ${typeof value}`)
  if (result.length > settings.caps.resultBytes) {
    const limit = { limit: 'resultBytes', value: settings.caps.resultBytes, used: result.length }
    throw refusal('SIZE_LIMIT', `cannot return the result, it has ${limit.used} characters and ${limit.value} may leave`, limit)
  }
  return result
}

function tellOfWasm(megabytes: number, memories: number, collected: boolean): void {
  post('wasm', '', megabytes, '' + memories, collected ? 'collected' : '')
}

const unfinished = { info: '', error: '' }

/** Of output that comes in parts, the lines that are whole. */
function writeLines(level: 'info' | 'error', part: string): void {
  const output = unfinished[level] + part
  let from = 0
  for (let end = indexOf(output, '\n'); end >= 0; end = indexOf(output, '\n', from)) {
    powersOf.get(current)?.log[level](slice(output, from, end))
    from = end + 1
  }
  unfinished[level] = slice(output, from, from + settings.caps.logBytes)
}

/** What no listener prevented costs a script its life, as in Deno; of a module it is told, and the module goes on. */
function endUncaught(thrown: unknown, what: string): void {
  if (failScript) return failScript(thrown)
  const description = describeError(thrown)
  if (what === '') return post('failed', '', 0, '', description)
  const { name, message } = parse(description) as GuestError
  post('failed', '', 0, '', '{"name":"' + what + '","message":' + stringify(name + ': ' + message) + ',"stack":""}')
}

function installGlobals(): void {
  timers = openTimers(post, () => current, settings.caps.timers)
  timeoutWith(timers.setUnheld)
  runTasksWith(timers.globals.setTimeout)
  reportTo((thrown) => endUncaught(thrown, ''), (thrown) => exitCodeOf(thrown) !== undefined)
  const write = (level: keyof Log, line: string) => powersOf.get(current)?.log[level](line)
  registry.write = (level, part) => (settings.script ? powersOf.get(current)?.log[level](part, { part: true }) : writeLines(level, part))
  registry.onExit = (code) => {
    if (!settings.script) return
    tellEnd(current, '{"exit":' + code + '}')
    tellEnds() // it may go on without end
  }
  const globals: Record<string, unknown> = {
    ...timers.globals,
    queueMicrotask: (callback: () => void) => {
      if (typeof callback !== 'function') throw new TypeErrorOf('expected a function')
      const run = () => {
        try {
          callback()
        } catch (thrown) {
          reportException(thrown)
        }
      }
      whenSettled(resolved(undefined), run, () => {})
    },
    console: openConsole(write, now),
  }
  for (const name of keys(globals)) {
    defineProperty(globalThis, name, { value: globals[name], writable: true, configurable: true, enumerable: name !== 'console' })
  }
}

installWindow()
installLazyGlobals()
connectHost((execution) => askOf.get(execution), () => settings, () => current, () => background)

// Taken from the global object by the cell before any module code runs.
Object.assign(globalThis, { __bulkhead: entries })
