import { globals } from './host.guest.ts'

/**
 * AsyncLocalStorage where the engine gives no hook: what is current when a callback is handed over is current again
 * when it is called. Promises hand theirs to `then`, which is replaced here; `await` asks nobody, so a bundle with
 * this file in it has each of its own made into `then` (runtime/bundler/lower-awaits.ts). What that does not reach is
 * code that is made of text at run time, and `await` at the top level of a file.
 */
type Frame = ReadonlyMap<object, unknown>
type Callback = (...args: never[]) => unknown

const NOTHING: Frame = new Map()
let current = NOTHING

function within<Result>(frame: Frame, run: () => Result): Result {
  const before = current
  current = frame
  try {
    return run()
  } finally {
    current = before
  }
}

function bound<Given>(callback: Given, frame = current): Given {
  if (typeof callback !== 'function') return callback
  const call = callback as unknown as (this: unknown, ...args: unknown[]) => unknown
  return function (this: unknown, ...args: unknown[]) {
    return within(frame, () => Reflect.apply(call, this, args))
  } as Given
}

const { then } = Promise.prototype
// oxlint-disable unicorn/no-thenable, no-extend-native -- there is no other hook
Object.defineProperty(Promise.prototype, 'then', {
  value(this: Promise<unknown>, onFulfilled: unknown, onRejected: unknown) {
    return Reflect.apply(then, this, [bound(onFulfilled), bound(onRejected)])
  },
  writable: true,
  configurable: true,
})
// oxlint-enable unicorn/no-thenable, no-extend-native
for (const name of ['setTimeout', 'setInterval', 'queueMicrotask']) {
  const own = globals[name] as Callback | undefined
  if (!own) continue
  const value = (callback: Callback, ...args: unknown[]) => Reflect.apply(own, undefined, [bound(callback), ...args])
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: true })
}

export class AsyncLocalStorage<Store> {
  readonly name: string
  readonly #defaultValue: Store | undefined

  constructor({ name = '', defaultValue }: { name?: string; defaultValue?: Store } = {}) {
    this.name = name
    this.#defaultValue = defaultValue
  }
  static bind<Given extends Callback>(callback: Given): Given {
    return bound(callback)
  }
  static snapshot(): <Args extends unknown[], Result>(callback: (...args: Args) => Result, ...args: Args) => Result {
    const frame = current
    return (callback, ...args) => within(frame, () => callback(...args))
  }
  getStore(): Store | undefined {
    return current.has(this) ? (current.get(this) as Store) : this.#defaultValue
  }
  run<Args extends unknown[], Result>(store: Store, callback: (...args: Args) => Result, ...args: Args): Result {
    return within(new Map(current).set(this, store), () => callback(...args))
  }
  exit<Args extends unknown[], Result>(callback: (...args: Args) => Result, ...args: Args): Result {
    return within(this.#without(), () => callback(...args))
  }
  enterWith(store: Store): void {
    current = new Map(current).set(this, store)
    // Whatever comes after this turn has its own; nothing else would take it back where nobody waits for this code.
    Reflect.apply(then, Promise.resolve(), [() => (current = NOTHING)])
  }
  disable(): void {
    current = this.#without()
  }
  #without(): Frame {
    const frame = new Map(current)
    frame.delete(this)
    return frame
  }
}

export class AsyncResource {
  readonly type: string
  readonly #frame = current
  constructor(type = 'AsyncResource') {
    this.type = type
  }
  static bind<Given extends Callback>(callback: Given): Given {
    return bound(callback)
  }
  bind<Given extends Callback>(callback: Given): Given {
    return bound(callback, this.#frame)
  }
  runInAsyncScope<Args extends unknown[], Result>(callback: (...args: Args) => Result, self?: unknown, ...args: Args): Result {
    return within(this.#frame, () => Reflect.apply(callback, self, args) as Result)
  }
  emitDestroy(): this {
    return this
  }
  asyncId(): number {
    return 1
  }
  triggerAsyncId(): number {
    return 0
  }
}

// Nobody is told of what begins and ends: there is no hook for that.
export const createHook = (_callbacks: object): object => {
  const hook = { enable: () => hook, disable: () => hook }
  return hook
}
export const executionAsyncId = (): number => 1
export const triggerAsyncId = (): number => 0
export const executionAsyncResource = (): object => ({})
export default { AsyncLocalStorage, AsyncResource, createHook, executionAsyncId, triggerAsyncId, executionAsyncResource }
