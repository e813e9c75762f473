import { controlOfEvent, type Event, type EventControl } from './event.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { needArguments, shapeInspectionAs, shapeInterface } from './interface.guest.ts'

// DOM Standard, 2.7 to 2.9.

interface Listener {
  type: string
  callback: object
  capture: boolean
  once: boolean
  passive: boolean
  removed: boolean
}

interface Options {
  capture?: unknown
  once?: unknown
  passive?: unknown
  signal?: unknown
}

let report: (thrown: unknown) => void = () => {}
/** Where what a listener throws goes. */
export function reportWith(reporter: typeof report): void {
  report = reporter
}

let onAbort: (signal: object, steps: () => void) => 'aborted' | 'added' | 'no signal'
/** How a listener's signal is listened to; the two interfaces need each other. */
export function abortWith(listen: typeof onAbort): void {
  onAbort = listen
}

let isTarget: (value: object) => boolean
const globalListeners: Listener[] = []

export class EventTarget {
  readonly #listeners: Listener[] = []

  addEventListener(type: unknown, callback: unknown, options?: unknown): void {
    needArguments(arguments.length, 2, 'addEventListener', 'EventTarget')
    const listeners = EventTarget.#of(this)
    const { capture, once = false, passive = false, signal } = flatten(options)
    if (signal !== undefined && (typeof signal !== 'object' || signal === null)) {
      throw new TypeError("Failed to execute 'addEventListener' on 'EventTarget': the signal is not of type AbortSignal")
    }
    if (callback === null || callback === undefined) return
    if (typeof callback !== 'object' && typeof callback !== 'function') {
      throw new TypeError("Failed to execute 'addEventListener' on 'EventTarget': the callback is neither a function nor an object")
    }
    const name = String(type)
    if (find(listeners, name, callback, !!capture) >= 0) return
    const listener: Listener = { type: name, callback, capture: !!capture, once: !!once, passive: !!passive, removed: false }
    const added = signal === undefined ? 'added' : onAbort(signal, () => remove(listeners, listener))
    if (added === 'no signal') throw new TypeError("Failed to execute 'addEventListener' on 'EventTarget': the signal is not of type AbortSignal")
    if (added === 'added') listeners.push(listener)
  }

  removeEventListener(type: unknown, callback: unknown, options?: unknown): void {
    needArguments(arguments.length, 2, 'removeEventListener', 'EventTarget')
    const listeners = EventTarget.#of(this)
    const at = find(listeners, String(type), callback, !!flatten(options).capture)
    if (at >= 0) remove(listeners, listeners[at] as Listener)
  }

  dispatchEvent(event: unknown): boolean {
    needArguments(arguments.length, 1, 'dispatchEvent', 'EventTarget')
    const listeners = EventTarget.#of(this)
    const control = controlOfEvent(event)
    if (!control) throw new TypeError("Failed to execute 'dispatchEvent' on 'EventTarget': Argument 1 is not of type Event")
    if (control.isDispatched()) throw new DOMException('Invalid event state', 'InvalidStateError')
    const target = this === undefined || this === null ? globalThis : this
    control.begin(target)
    callListeners(listeners, event as Event, control, target)
    control.end()
    return !(event as Event).defaultPrevented
  }

  static {
    isTarget = (value) => #listeners in value || value === globalThis
  }

  static #of(self: unknown): Listener[] {
    if (self === undefined || self === null || self === globalThis) return globalListeners
    if (typeof self !== 'object' || !(#listeners in self)) throw new TypeError('Illegal invocation')
    return (self as EventTarget).#listeners
  }
}
shapeInterface(EventTarget)
Object.defineProperty(EventTarget.prototype.addEventListener, 'length', { value: 2, configurable: true })
Object.defineProperty(EventTarget.prototype.removeEventListener, 'length', { value: 2, configurable: true })
shapeInspectionAs(EventTarget, (self, inspect) => `${self.constructor?.name ?? 'EventTarget'} ${inspect({})}`)

/** Whether a value is of the interface. */
export const isEventTarget = (value: unknown) => typeof value === 'object' && value !== null && isTarget(value)

function callListeners(listeners: Listener[], event: Event, control: EventControl, target: object): void {
  for (const listener of [...listeners]) {
    if (listener.type !== event.type || listener.removed) continue
    if (listener.once) remove(listeners, listener)
    control.setPassive(listener.passive)
    try {
      if (typeof listener.callback === 'function') Reflect.apply(listener.callback as () => unknown, target, [event])
      else callHandle(listener.callback, event)
    } catch (thrown) {
      report(thrown)
    }
    control.setPassive(false)
    if (control.isStopped()) return
  }
}

function callHandle(listener: object, event: Event): void {
  const { handleEvent } = listener as { handleEvent?: unknown }
  if (typeof handleEvent !== 'function') throw new TypeError("EventListener's handleEvent is not a function")
  Reflect.apply(handleEvent as () => unknown, listener, [event])
}

function find(listeners: Listener[], type: string, callback: unknown, capture: boolean): number {
  return listeners.findIndex((one) => one.type === type && one.callback === callback && one.capture === capture)
}

function remove(listeners: Listener[], listener: Listener): void {
  listener.removed = true
  const at = listeners.indexOf(listener)
  if (at >= 0) listeners.splice(at, 1)
}

function flatten(options: unknown): Options {
  return (typeof options === 'object' && options !== null) || typeof options === 'function' ? (options as Options) : { capture: options }
}

/**
 * Gives a prototype the attribute `on<type>` (HTML Standard, 8.1.8.1): one listener, which keeps its place among the
 * others while it is replaced. As in Deno it is told of the event alone, and what it returns means nothing.
 */
export function shapeHandler(of: { readonly prototype: object } | { prototype: object }, type: string, onSet: (self: EventTarget) => void = () => {}): void {
  const handlers = new WeakMap<object, { handler: unknown }>()
  const name = `on${type}`
  const accessor = {
    get [name](): unknown {
      return handlers.get((this as object | undefined) ?? globalThis)?.handler ?? null
    },
    set [name](value: unknown) {
      const self = ((this as object | undefined) ?? globalThis) as EventTarget
      const handler = typeof value === 'function' || (typeof value === 'object' && value !== null) ? value : null
      const known = handlers.get(self)
      if (known) known.handler = handler
      else if (handler !== null) {
        const kept = { handler: handler as unknown }
        handlers.set(self, kept)
        EventTarget.prototype.addEventListener.call(self, type, function (this: unknown, event: Event) {
          const { handler: current } = kept
          if (typeof current !== 'function') return
          Reflect.apply(current as () => unknown, this, [event])
        })
      }
      onSet(self)
    },
  }
  const descriptor = Object.getOwnPropertyDescriptor(accessor, name) as PropertyDescriptor
  Object.defineProperty(of.prototype, name, { ...descriptor, enumerable: true, configurable: true })
}
