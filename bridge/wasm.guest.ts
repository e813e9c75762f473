import type { WasmElsewhere } from './contract.ts'
import { type DeclaredMemories, declaredMemories } from './wasm-binary.guest.ts'
import { refusal } from './errors.guest.ts'
import { lazily } from './web/globals.guest.ts'
import { apply, construct, defineProperty, keys, toNumber, TypeErrorOf, uncurry, weakGet, weakSet } from './primordials.guest.ts'

type Constructor = (new (...args: never[]) => object) & { prototype: object }
type NewTarget = Parameters<typeof construct>[0]
type Getter = (self: unknown) => never
interface Holding {
  target: { deref(): object | undefined }
  /** What it takes besides what can be asked of it, bytes. */
  fixed: number
  isMemory: boolean
}

const PAGE = 64 * 1024
const MB = 1024 * 1024
/** A memory without a page still takes address space and two entries of the system's memory map. */
const MAX_MEMORIES = 100
/** What V8 makes of a binary, for each byte of it: descriptions of its functions, and code once they are called. */
const COMPILED = 4
const GIVEN = ['Table', 'Global', 'Tag', 'Exception', 'JSTag', 'CompileError', 'LinkError', 'RuntimeError']

/** What WebAssembly takes of a module's memory, beside its heap. */
export interface WasmMeter {
  /** To be called whenever a thread enters: what seemed too much when it was here last may be collected only now. */
  recount(): void
  /** The error to end an execution with, when memories are past what the module may take and were so when it was entered. */
  overdraft(): Error | undefined
  /** What other contexts of the isolate hold counts as well. */
  elsewhere(held: WasmElsewhere): void
}

/** Told of whatever a context holds, so that others count it. */
type Tell = (megabytes: number, memories: number, collected: boolean) => void

/**
 * Puts a WebAssembly into the isolate whose memories and compiled modules are counted, since V8's limit counts none of
 * them: none is shared, and a module cannot make more than its limit. What memories grow to from within is seen when
 * a thread enters and leaves; until then the cell's watchdog sees what they take. Compiling and instantiating are synchronous
 * behind their promises, as V8's own can stay pending in a bare isolate. Called before any code of the module.
 *
 * @param tell where the isolate has other contexts, whose memory is of the same limit
 */
export function meterWebAssembly(limitMB: number, tell?: Tell): WasmMeter {
  const native = (globalThis as unknown as { WebAssembly: Record<string, Constructor> }).WebAssembly
  const [NativeModule, NativeInstance, NativeMemory] = [native['Module'], native['Instance'], native['Memory']] as [Constructor, Constructor, Constructor]
  const { validate } = native as unknown as { validate: (bytes: unknown) => boolean }
  const { imports: importsOf, exports: exportsOf, customSections } = NativeModule as unknown as Record<string, (...args: unknown[]) => Array<{ name: string; kind: string }>>
  const bufferOf = getter(NativeMemory.prototype, 'buffer')
  const lengthOf = getter(ArrayBuffer.prototype, 'byteLength')
  const exportedBy = getter(NativeInstance.prototype, 'exports')
  const copyOf = openCopies()
  const WeakRefOf = WeakRef
  const deref = uncurry(WeakRef.prototype.deref)
  const BufferOf = ArrayBuffer
  const limit = limitMB * MB

  const declared = new WeakMap() as WeakMap<WeakKey, unknown>
  const counted = new WeakMap() as WeakMap<WeakKey, unknown>
  let holdings: Holding[] = []
  // At least what is taken, but for what memories have grown to from within since they were last counted.
  let used = 0
  let memories = 0
  // What other contexts hold does not change while a thread is in this one.
  const open = { bytes: 0, memories: 0 }
  const ended = { bytes: 0, memories: 0 }
  const told = { megabytes: 0, memories: 0 }
  let suspect = false
  let confirmed = false

  const hold = (target: object, fixed: number, isMemory = false): void => {
    if (weakGet(counted, target)) return
    weakSet(counted, target, true)
    holdings[holdings.length] = { target: new WeakRefOf(target), fixed, isMemory }
    used += fixed + (isMemory ? sizeOf(target) : 0)
    if (isMemory) memories++
    report(false)
  }

  const usedOfAll = (): number => used + open.bytes + ended.bytes
  const memoriesOfAll = (): number => memories + open.memories + ended.memories

  const report = (collected: boolean): void => {
    const megabytes = (used + MB - 1) / MB | 0
    if (!tell || (!collected && megabytes === told.megabytes && memories === told.memories)) return
    told.megabytes = megabytes
    told.memories = memories
    tell(megabytes, memories, collected)
  }

  const sizeOf = (memory: object): number => lengthOf(bufferOf(memory))

  /** What it looks at lives until the job ends, so that nothing of it can be collected before. */
  const count = (): void => {
    const living: Holding[] = []
    used = memories = 0
    for (let i = 0; i < holdings.length; i++) {
      const holding = holdings[i] as Holding
      const target = deref(holding.target as WeakRef<object>)
      if (!target) continue
      living[living.length] = holding
      used += holding.fixed + (holding.isMemory ? sizeOf(target) : 0)
      if (holding.isMemory) memories++
    }
    holdings = living
    report(false)
  }

  /** V8 collects before it refuses a buffer past the heap's limit. */
  const collect = (): void => {
    try {
      construct(BufferOf, [2 * limit])
    } catch {}
    const hadEnded = ended.bytes > 0 || ended.memories > 0
    ended.bytes = ended.memories = 0
    count()
    if (hadEnded) report(true)
  }

  const demand = (what: string, bytes: number, made: number): void => {
    if (usedOfAll() + bytes <= limit && memoriesOfAll() + made <= MAX_MEMORIES) return
    collect()
    const before = memoriesOfAll()
    if (before + made > MAX_MEMORIES) {
      const reached = { limit: 'memories', value: MAX_MEMORIES, used: before + made }
      throw refusal('CALL_LIMIT', `cannot ${what}, the module has ${before} memories and may have ${MAX_MEMORIES}`, reached)
    }
    if (usedOfAll() + bytes > limit) throw pastLimit(`cannot ${what}`, usedOfAll() + bytes)
  }

  const pastLimit = (what: string, bytes: number): Error => {
    const wanted = (bytes / MB) | 0
    const reached = { limit: 'maxMemoryMB', value: limitMB, used: wanted > limitMB ? wanted : limitMB + 1 }
    return refusal('MEMORY_LIMIT', `${what}, WebAssembly would take ${reached.used} MB and may take ${limitMB} MB`, reached)
  }

  const compile = (source: unknown, options?: unknown, newTarget: NewTarget = Module): object => {
    const bytes = copyOf(source)
    const weight = bytes.length * COMPILED
    demand('compile', weight, 0)
    const module = construct(NativeModule, options === undefined ? [bytes] : [bytes, options], newTarget)
    const found = declaredMemories(bytes, ofKind(importsOf?.(module), 'memory').length)
    if (found.problem !== undefined) throw refusal('INVALID', `cannot compile, ${found.problem}`)
    weakSet(declared, module, found)
    hold(module, weight)
    return module
  }

  const instantiate = (module: unknown, imports: unknown, newTarget: NewTarget = Instance): object => {
    const found = (typeof module === 'object' && module !== null ? weakGet(declared, module) : undefined) as DeclaredMemories | undefined
    if (found) demand('instantiate', (found.initial + found.hidden) * PAGE, found.initial + found.hidden > 0 ? 1 : 0)
    const instance = construct(NativeInstance, [module, imports], newTarget)
    if (found && found.hidden > 0) hold(instance, found.hidden * PAGE)
    const exported = exportedBy(instance) as Record<string, object>
    const names = ofKind(exportsOf?.(module), 'memory')
    for (let i = 0; i < names.length; i++) hold(exported[names[i] as string] as object, 0, true)
    return instance
  }

  function Module(bytes: unknown, options?: unknown): object {
    return compile(bytes, options, called(new.target, 'Module'))
  }
  function Instance(module: unknown, imports?: unknown): object {
    return instantiate(module, imports, called(new.target, 'Instance'))
  }
  function Memory(descriptor: { initial?: unknown; maximum?: unknown; shared?: unknown; address?: unknown } | null): object {
    const target = called(new.target, 'Memory')
    if (typeof descriptor !== 'object' || descriptor === null) throw new TypeErrorOf('WebAssembly.Memory(): Argument 0 must be a memory descriptor')
    const { initial, maximum, shared, address = 'i32' } = descriptor
    if (shared || address !== 'i32') throw refusal('INVALID', 'cannot make a memory that is shared or has 64-bit addresses')
    const pages = toNumber(initial)
    demand('make a memory', pages > 0 ? pages * PAGE : 0, 1)
    const own = maximum === undefined ? { initial } : { initial, maximum }
    if (initial !== undefined) own.initial = pages
    const memory = construct(NativeMemory, [own], target)
    hold(memory, 0, true)
    return memory
  }
  const nativeGrow = (NativeMemory.prototype as { grow(pages: number): number }).grow
  function grow(this: unknown, delta: unknown): number {
    const pages = toNumber(delta)
    const bytes = pages > 0 ? pages * PAGE : 0
    demand('grow a memory', bytes, 0)
    const before = apply(nativeGrow, this, [pages]) as number
    used += bytes
    report(false)
    return before
  }

  const given: Record<string, unknown> = {
    Module: replace(Module, NativeModule, { imports: importsOf, exports: exportsOf, customSections }),
    Instance: replace(Instance, NativeInstance),
    Memory: replace(Memory, NativeMemory),
    validate: (bytes: unknown) => validate(copyOf(bytes)),
    compile: async (bytes: unknown, options?: unknown) => compile(bytes, options),
    instantiate: async (source: unknown, imports?: unknown) => {
      if (typeof source === 'object' && source !== null && weakGet(declared, source)) return instantiate(source, imports)
      const module = compile(source)
      return { module, instance: instantiate(module, imports) }
    },
    compileStreaming: async (source: unknown) => compile(await bytesOf(source)),
    instantiateStreaming: async (source: unknown, imports?: unknown) => {
      const module = compile(await bytesOf(source))
      return { module, instance: instantiate(module, imports) }
    },
  }
  for (let i = 0; i < GIVEN.length; i++) given[GIVEN[i] as string] = native[GIVEN[i] as string]
  define(NativeMemory.prototype, 'grow', grow)
  Reflect.deleteProperty(NativeMemory.prototype, 'toResizableBuffer')
  Reflect.deleteProperty(NativeMemory.prototype, 'toFixedLengthBuffer')
  const namespace = {}
  const names = keys(given)
  for (let i = 0; i < names.length; i++) define(namespace, names[i] as string, given[names[i] as string])
  defineProperty(namespace, Symbol.toStringTag, { value: 'WebAssembly', configurable: true })
  define(globalThis, 'WebAssembly', namespace)

  return {
    recount() {
      if (suspect) collect()
      confirmed = suspect && usedOfAll() > limit
    },
    overdraft() {
      if (holdings.length === 0) return
      count()
      if (confirmed && usedOfAll() > limit) return pastLimit('execution ended', usedOfAll())
      suspect = usedOfAll() > limit
      return
    },
    elsewhere(held) {
      open.bytes = held[0] * MB
      open.memories = held[1]
      ended.bytes = held[2] * MB
      ended.memories = held[3]
      if (open.bytes + ended.bytes > limit) collect()
    },
  }
}

interface ResponseLike {
  headers: { get(name: string): string | null }
  ok: boolean
  status: number
  arrayBuffer(): Promise<ArrayBuffer>
}

/** WebAssembly Web API, 4: the bytes of a response that says it is WebAssembly. It is compiled once it is whole. */
async function bytesOf(source: unknown): Promise<ArrayBuffer> {
  const response = (await source) as ResponseLike
  const { Response } = lazily('web/response') as { Response: new () => ResponseLike }
  if (!(response instanceof Response)) throw new TypeErrorOf('Argument 0 must be provided and must be a Response or Response promise')
  const type = response.headers.get('content-type')
  if (type?.toLowerCase() !== 'application/wasm') throw new TypeErrorOf('Invalid WebAssembly content type')
  if (!response.ok) throw new TypeErrorOf(`Failed to receive WebAssembly content: HTTP status code ${response.status}`)
  return response.arrayBuffer()
}

function replace(constructor: object, native: Constructor, statics: Record<string, unknown> = {}): object {
  defineProperty(constructor, 'prototype', { value: native.prototype, writable: false })
  define(native.prototype, 'constructor', constructor)
  const names = keys(statics)
  for (let i = 0; i < names.length; i++) define(constructor, names[i] as string, statics[names[i] as string])
  return constructor
}

function define(holder: object, name: string, value: unknown): void {
  defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false })
}

function called(target: NewTarget | undefined, name: string): NewTarget {
  if (target) return target
  throw new TypeErrorOf(`WebAssembly.${name} must be invoked with 'new'`)
}

function ofKind(descriptors: Array<{ name: string; kind: string }> | undefined, kind: string): string[] {
  const names: string[] = []
  for (let i = 0; i < (descriptors?.length ?? 0); i++) {
    const descriptor = descriptors?.[i] as { name: string; kind: string }
    if (descriptor.kind === kind) names[names.length] = descriptor.name
  }
  return names
}

/** Bytes of the bridge's own, so that what is counted is what is compiled. */
function openCopies(): (source: unknown) => Uint8Array {
  const BytesOf = Uint8Array
  const { isView } = ArrayBuffer
  const typedArrays = Object.getPrototypeOf(BytesOf.prototype) as object
  const lengthOfBuffer = getter(ArrayBuffer.prototype, 'byteLength')
  const [bufferOf, offsetOf, lengthOf] = [getter(typedArrays, 'buffer'), getter(typedArrays, 'byteOffset'), getter(typedArrays, 'byteLength')]
  const [viewBuffer, viewOffset, viewLength] = [getter(DataView.prototype, 'buffer'), getter(DataView.prototype, 'byteOffset'), getter(DataView.prototype, 'byteLength')]
  const tagOf = getter(typedArrays, Symbol.toStringTag)
  const set = uncurry(BytesOf.prototype.set)
  const copied = (buffer: ArrayBuffer, offset: number, length: number): Uint8Array => {
    const copy = new BytesOf(length)
    set(copy, new BytesOf(buffer, offset, length))
    return copy
  }
  return (source) => {
    if (!isView(source)) return copied(source as ArrayBuffer, 0, lengthOfBuffer(source))
    if (tagOf(source) === undefined) return copied(viewBuffer(source), viewOffset(source), viewLength(source))
    return copied(bufferOf(source), offsetOf(source), lengthOf(source))
  }
}

function getter(prototype: object, name: string | symbol): Getter {
  return uncurry(Object.getOwnPropertyDescriptor(prototype, name)?.get as () => never) as Getter
}
