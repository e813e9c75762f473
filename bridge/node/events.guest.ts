import EventEmitter, { type Emitter } from 'events'
import { nodeError } from './host.guest.ts'

type Listener = (...args: unknown[]) => void
interface Signal {
  aborted: boolean
  reason: unknown
  addEventListener(type: string, listener: () => void, options?: object): void
  removeEventListener(type: string, listener: () => void): void
}
interface Target {
  addEventListener(type: string, listener: (event: unknown) => void, options?: object): void
  removeEventListener(type: string, listener: (event: unknown) => void): void
}

export const errorMonitor = Symbol('events.errorMonitor')
export const captureRejectionSymbol = Symbol.for('nodejs.rejection')
export const captureRejections = false
export const usingDomains = false
export const defaultMaxListeners = 10

const listen = (emitter: Emitter | Target, event: unknown, listener: Listener): (() => void) => {
  if ('addEventListener' in emitter) {
    emitter.addEventListener(event as string, listener)
    return () => emitter.removeEventListener(event as string, listener)
  }
  emitter.on(event, listener)
  return () => void emitter.off(event, listener)
}

const abortError = (signal: Signal) => Object.assign(nodeError(Error, 'ABORT_ERR', 'The operation was aborted'), { name: 'AbortError', cause: signal.reason })

/** The arguments of the next such event; an `error` rejects. */
export function once(emitter: Emitter | Target, event: unknown, { signal }: { signal?: Signal } = {}): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortError(signal))
    const end = () => stops.forEach((stop) => stop())
    const stops = [listen(emitter, event, (...args) => (end(), resolve(args)))]
    if (!('addEventListener' in emitter) && event !== 'error') stops.push(listen(emitter, 'error', (error) => (end(), reject(error))))
    if (signal) {
      const onAbort = () => (end(), reject(abortError(signal)))
      signal.addEventListener('abort', onAbort)
      stops.push(() => signal.removeEventListener('abort', onAbort))
    }
  })
}

/** Every such event from now on, with its arguments. */
export function on(emitter: Emitter | Target, event: unknown, { signal, close = [] }: { signal?: Signal; close?: unknown[] } = {}): AsyncIterableIterator<unknown[]> {
  const events: unknown[][] = []
  const waiting: PromiseWithResolvers<IteratorResult<unknown[]>>[] = []
  let failure: { error: unknown } | undefined
  let isDone = false
  const stops = [
    listen(emitter, event, (...args) => {
      const next = waiting.shift()
      if (next) next.resolve({ value: args, done: false })
      else events.push(args)
    }),
    ...close.map((name) => listen(emitter, name, () => finish())),
  ]
  const fail = (error: unknown) => {
    failure = { error }
    const next = waiting.shift()
    if (next) {
      failure = undefined
      next.reject(error)
    }
    finish()
  }
  const finish = () => {
    if (isDone) return
    isDone = true
    for (const stop of stops) stop()
    for (const next of waiting) next.resolve({ value: undefined, done: true })
  }
  if (!('addEventListener' in emitter) && event !== 'error') stops.push(listen(emitter, 'error', fail))
  if (signal?.aborted) fail(abortError(signal))
  else signal?.addEventListener('abort', () => fail(abortError(signal)), { once: true })
  return {
    next() {
      const args = events.shift()
      if (args) return Promise.resolve({ value: args, done: false })
      if (failure) {
        const { error } = failure
        failure = undefined
        return Promise.reject(error)
      }
      if (isDone) return Promise.resolve({ value: undefined, done: true })
      const next = Promise.withResolvers<IteratorResult<unknown[]>>()
      waiting.push(next)
      return next.promise
    },
    return() {
      finish()
      return Promise.resolve({ value: undefined, done: true })
    },
    throw(error) {
      fail(error)
      return Promise.resolve({ value: undefined, done: true })
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

export const listenerCount = (emitter: Emitter, event: unknown): number => emitter.listenerCount(event)
export const getEventListeners = (emitter: Emitter, event: unknown): unknown[] => emitter.listeners(event)
export const getMaxListeners = (emitter: Emitter & { getMaxListeners?(): number }): number => emitter.getMaxListeners?.() ?? defaultMaxListeners
export function setMaxListeners(count: number, ...emitters: Partial<Emitter>[]): void {
  if (emitters.length === 0) EventEmitter.defaultMaxListeners = count
  for (const emitter of emitters) emitter.setMaxListeners?.(count)
}
export function addAbortListener(signal: Signal, listener: () => void): Disposable {
  if (signal.aborted) Promise.resolve().then(listener)
  else signal.addEventListener('abort', listener, { once: true })
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) }
}

Object.assign(EventEmitter, { once, on, errorMonitor, captureRejectionSymbol, captureRejections, usingDomains, getEventListeners, getMaxListeners, setMaxListeners, addAbortListener })

export { EventEmitter }
export default EventEmitter
