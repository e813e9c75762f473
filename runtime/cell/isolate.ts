import { randomBytes } from 'node:crypto'
import ivm from 'isolated-vm'
import type { ChunkIndex, GuestEntries, Post } from '../../bridge/contract.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import { CHUNKS, PRELOADED } from '../../bridge/web/chunks.ts'
import { type Inspector, openInspector } from './inspector.ts'

const SEED_BYTES = 32
const SPINS = 3
const MAX_REFUSAL = 500
/** Whether code names a global of the chunks that are worth having ready: 0.5 ms more for each, 5 ms less for the first touch. */
const NAMED = new RegExp(`\\b(?:${PRELOADED.flatMap((name) => CHUNKS[name]).join('|')})\\b`)

/** The guest half of the bridge. */
export interface BridgeText {
  /** The script that the snapshot is made from. */
  snapshot: string
  /** What an isolate evaluates of it when it is first needed, by name. */
  chunks: Record<string, string>
}

type Blob = ivm.ExternalCopy<ArrayBuffer>

export interface Snapshot {
  /** That for a module's code: with the common chunks evaluated where it names one of their globals. */
  blobFor(code: string): Blob
  /** A ChunkIndex as JSON, and the texts. Strings of one copy share their characters among all isolates. */
  readonly chunks: { index: string; texts: ivm.ExternalCopy<string> }
}

/**
 * A heap image that holds the guest half of the bridge; an isolate made from it starts in a fraction of the time.
 *
 * @param bridgeText a BridgeText as JSON
 */
export function createSnapshot(bridgeText: string): Snapshot {
  const { snapshot, chunks } = JSON.parse(bridgeText) as BridgeText
  const bridge = { code: snapshot, filename: 'bulkhead:bridge' }
  const lean = ivm.Isolate.createSnapshot([bridge])
  let full: Blob | undefined
  const preload = (): Blob => {
    const texts = PRELOADED.flatMap((name) => [name, chunks[name]])
    return ivm.Isolate.createSnapshot([bridge, { code: `__bulkhead.preload(...${JSON.stringify(texts)})` }])
  }
  return {
    blobFor: (code) => (NAMED.test(code) ? (full ??= preload()) : lean),
    chunks: {
      index: JSON.stringify(Object.entries(chunks).map(([name, { length }]) => ({ name, length })) satisfies ChunkIndex),
      texts: new ivm.ExternalCopy(Object.values(chunks).join('')),
    },
  }
}

/** One V8 heap, with contexts in it that share nothing but its limit. */
export interface Isolate {
  /** @param post what the bridge in it says */
  openContext(post: Post): GuestContext
  /** Contexts that are entered for the first time from now on have these GuestSettings. */
  take(settings: string): void
  /**
   * Resolves when the thread has left that did the last work in it. Until then V8 holds the contexts that the thread was
   * in, released or not, and a thread that finds more work each time never leaves.
   */
  left(): Promise<void>
  /** Milliseconds of CPU; while a thread is inside, its time is counted by the wall clock. */
  cpuMs(): number
  isDisposed(): boolean
  /** Where one was asked for. */
  readonly inspector: Inspector | undefined
  dispose(): void
}

/** A realm of its own, with the bridge in it, made when it is first entered. */
export interface GuestContext {
  /**
   * Brings deliveries in on a thread of isolated-vm's pool, never the main thread; resolves when it has left the isolate.
   *
   * @throws LOAD_FAILED where V8 does not take the code; a rejection that nobody in it has handled
   */
  enter(flat: readonly string[]): Promise<void>
  /** Lets go of it, so that V8 may collect it. */
  release(): void
}

interface IsolateOptions {
  snapshot: Snapshot
  /** What will run in it. */
  code: string
  filename: string
  /** GuestSettings as JSON. */
  settings: string
  memoryMB: number
  /** Whether V8's inspector is to be opened in it. */
  inspected?: boolean
  /** V8 has lost the isolate; its thread never comes back, and the process cannot exit by itself. */
  onCatastrophe(message: string): void
}

// The entries that the snapshot leaves on the global object, which keeps none of them.
const TAKE_START = '__bulkhead.start'
const TAKE_DELIVER = '(({ deliver }) => (delete globalThis.__bulkhead, deliver))(__bulkhead)'

export function createIsolate({ snapshot, code, filename, settings, memoryMB, inspected = false, onCatastrophe }: IsolateOptions): Isolate {
  const isolate = new ivm.Isolate({ memoryLimit: memoryMB, inspector: inspected, snapshot: snapshot.blobFor(code), onCatastrophicError: onCatastrophe })
  const inspector = inspected ? openInspector(isolate) : undefined
  let settingsCopy = new ivm.ExternalCopy(settings)
  let compiling: Promise<ivm.Script[]> | undefined
  let lastCpuMs = 0
  let isShared = false
  let sharing: Promise<ivm.Reference<string>> | undefined

  /** Each is compiled once for all contexts, and what V8 has made of its functions is theirs as well. */
  async function compile(): Promise<ivm.Script[]> {
    try {
      return await Promise.all([TAKE_START, TAKE_DELIVER, code].map((text) => isolate.compileScript(text, text === code ? { filename } : {})))
    } catch (thrown) {
      // The bundler does not look into everything: regular expressions are read by V8 alone.
      throw new BulkheadError('LOAD_FAILED', `cannot load, ${String(thrown).slice(0, MAX_REFUSAL)}`)
    }
  }

  /**
   * The texts of the chunks for one more context. V8 counts each copy as if it were one; strings, which are of no realm,
   * can be had twice from the one that is there.
   */
  async function chunksFor(context: ivm.Context): Promise<unknown> {
    if (!isShared) {
      isShared = true
      return snapshot.chunks.texts.copyInto()
    }
    const shared = await (sharing ??= context.evalClosure('return $0', [snapshot.chunks.texts.copyInto()], { result: { reference: true } }) as Promise<ivm.Reference<string>>)
    return shared.derefInto()
  }

  return {
    openContext(post) {
      let deliver: ivm.Reference<GuestEntries['deliver']> | undefined
      let context: ivm.Context | undefined

      async function make(flat: readonly string[]): Promise<void> {
        // Not `createContextSync`: of a heap that is full, the thread that makes a context collects the garbage.
        const [made, scripts] = await Promise.all([isolate.createContext({ inspector: inspected }), (compiling ??= compile())])
        context = made
        // The artifact is one function expression: running the script defines it and enters nothing of the module's.
        const [start, delivering, run] = (await Promise.all(scripts.map((script) => script.run(made, { reference: true })))) as ivm.Reference[]
        deliver = delivering
        const texts = await chunksFor(made)
        const seed = randomBytes(SEED_BYTES).toString('hex')
        const callback = new ivm.Callback(post, { ignored: true })
        const started = start?.apply(undefined, [run?.derefInto({ release: true }), callback, settingsCopy.copyInto(), seed, snapshot.chunks.index, texts] as never)
        start?.release()
        await Promise.all([started, deliver?.apply(undefined, [...flat])])
      }

      return {
        enter: (flat) => (deliver ? deliver.apply(undefined, [...flat]) : make(flat)),
        release() {
          deliver?.release()
          context?.release()
        },
      }
    },
    take(next) {
      settingsCopy.release()
      settingsCopy = new ivm.ExternalCopy(next)
    },
    async left() {
      for (let turns = 0; !isolate.isDisposed; turns++) {
        // One turn at least: what isolated-vm itself holds of the work goes with it.
        await new Promise((resolve) => (turns < SPINS ? setImmediate(resolve) : setTimeout(resolve, 1)))
        if (isolate.isDisposed) return
        const before = isolate.cpuTime
        // While a thread is inside, its clock runs.
        if (isolate.cpuTime === before) return
      }
    },
    cpuMs() {
      if (!isolate.isDisposed) lastCpuMs = Number(isolate.cpuTime) / 1e6
      return lastCpuMs
    },
    isDisposed: () => isolate.isDisposed,
    inspector,
    dispose() {
      if (inspector && !inspector.close()) return
      if (!isolate.isDisposed) isolate.dispose()
    },
  }
}
