import { randomBytes } from 'node:crypto'
import ivm from 'isolated-vm'
import type { GuestEntries, Post } from '../../bridge/contract.ts'
import { CHUNKS, PRELOADED } from '../../bridge/web/chunks.ts'

const SEED_BYTES = 32
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
  /** Name and text of each chunk in turn. Strings of one copy share their characters among all isolates. */
  readonly chunks: ReadonlyArray<ivm.ExternalCopy<string>>
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
    chunks: Object.entries(chunks).flat().map((text) => new ivm.ExternalCopy(text)),
  }
}

/** One V8 heap with the bridge in it. Both entries run on a thread of isolated-vm's pool, never on the main thread. */
export interface Isolate {
  /** Compiles the artifact and runs it; resolves when the thread has left the isolate. */
  start(filename: string, execution: string, settings: string): Promise<void>
  deliver(flat: string[]): Promise<void>
  /** Milliseconds of CPU; while a thread is inside, its time is counted by the wall clock. */
  cpuMs(): number
  isDisposed(): boolean
  dispose(): void
}

interface IsolateOptions {
  snapshot: Snapshot
  /** What will run in it. */
  code: string
  memoryMB: number
  post: Post
  /** V8 has lost the isolate; its thread never comes back, and the process cannot exit by itself. */
  onCatastrophe(message: string): void
}

export function createIsolate({ snapshot, code, memoryMB, post, onCatastrophe }: IsolateOptions): Isolate {
  const isolate = new ivm.Isolate({ memoryLimit: memoryMB, snapshot: snapshot.blobFor(code), onCatastrophicError: onCatastrophe })
  const context = isolate.createContextSync()
  const bridge = context.global.getSync('__bulkhead', { reference: true }) as ivm.Reference<GuestEntries>
  context.global.deleteSync('__bulkhead')
  const start = bridge.getSync('start', { reference: true }) as ivm.Reference<GuestEntries['start']>
  const deliver = bridge.getSync('deliver', { reference: true }) as ivm.Reference<GuestEntries['deliver']>
  const callback = new ivm.Callback(post, { ignored: true })
  let lastCpuMs = 0

  return {
    async start(filename, execution, settings) {
      const script = await isolate.compileScript(code, { filename })
      // The artifact is one function expression: running the script defines it and enters nothing of the module's.
      const run = (await script.run(context, { reference: true })) as ivm.Reference<unknown>
      script.release()
      const chunks = snapshot.chunks.map((text) => text.copyInto())
      const seed = randomBytes(SEED_BYTES).toString('hex')
      await start.apply(undefined, [run.derefInto({ release: true }), callback, execution, settings, seed, ...chunks] as never)
    },
    async deliver(flat) {
      await deliver.apply(undefined, flat)
    },
    cpuMs() {
      if (!isolate.isDisposed) lastCpuMs = Number(isolate.cpuTime) / 1e6
      return lastCpuMs
    },
    isDisposed: () => isolate.isDisposed,
    dispose() {
      if (!isolate.isDisposed) isolate.dispose()
    },
  }
}
