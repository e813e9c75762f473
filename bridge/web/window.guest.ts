import { AbortController, AbortSignal } from './abort.guest.ts'
import { DOMException, QuotaExceededError } from './dom-exception.guest.ts'
import { Event } from './event.guest.ts'
import { EventTarget, shapeHandler } from './event-target.guest.ts'
import { CloseEvent, CustomEvent, ErrorEvent, MessageEvent, ProgressEvent, PromiseRejectionEvent } from './events.guest.ts'
import { illegal, shapeInspectionAs, shapeInterface } from './interface.guest.ts'
import { reportError } from './report.guest.ts'

class Window extends EventTarget {
  constructor(own?: unknown) {
    if (own !== globalThis) throw illegal()
    super()
  }
}

const INTERFACES = {
  AbortController, AbortSignal, CloseEvent, CustomEvent, DOMException, ErrorEvent, Event, EventTarget,
  MessageEvent, ProgressEvent, PromiseRejectionEvent, QuotaExceededError, Window,
}

/**
 * The global object as a target of events, and what is in the snapshot because nearly everything else leans on it.
 * Called while the snapshot is made.
 */
export function installWindow(): void {
  shapeInterface(Window)
  shapeInspectionAs(Window, (_, inspect) => `Window ${inspect({})}`)
  Object.setPrototypeOf(globalThis, Window.prototype)
  for (const [name, value] of Object.entries(INTERFACES)) define(name, value, false)
  define('reportError', reportError, true)
  define('name', '', true)
  define('location', undefined, false)
  for (const type of ['error', 'unhandledrejection', 'load', 'beforeunload', 'unload']) shapeHandler({ prototype: globalThis }, type)
  const accessor = {
    get self() {
      return globalThis
    },
    set self(value: unknown) {
      define('self', value, true)
    },
  }
  Object.defineProperty(globalThis, 'self', { ...Object.getOwnPropertyDescriptor(accessor, 'self'), enumerable: true, configurable: true })
}

function define(name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable })
}
