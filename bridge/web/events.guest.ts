import { Event, type EventInit, shapeEvent } from './event.guest.ts'
import { needArguments, toText } from './interface.guest.ts'

// The interfaces that inherit from Event, each with the standard that has it.

/** DOM Standard, 2.4. */
export class CustomEvent extends Event {
  readonly #detail: unknown

  constructor(type: unknown, init: EventInit & { detail?: unknown } = {}) {
    needArguments(arguments.length, 1, '', 'CustomEvent')
    super(type, init)
    this.#detail = init.detail ?? null
  }

  get detail(): unknown {
    return this.#detail
  }
}
shapeEvent(CustomEvent, ['detail'])

/** HTML Standard, 8.1.4.6. */
export class ErrorEvent extends Event {
  readonly #message: string
  readonly #filename: string
  readonly #lineno: number
  readonly #colno: number
  readonly #error: unknown

  constructor(type: unknown, init: EventInit & { message?: unknown; filename?: unknown; lineno?: unknown; colno?: unknown; error?: unknown } = {}) {
    needArguments(arguments.length, 1, '', 'ErrorEvent')
    super(type, init)
    this.#message = toText(init.message ?? '')
    this.#filename = toText(init.filename ?? '')
    this.#lineno = Number(init.lineno ?? 0) >>> 0
    this.#colno = Number(init.colno ?? 0) >>> 0
    this.#error = init.error
  }

  get message(): string {
    return this.#message
  }

  get filename(): string {
    return this.#filename
  }

  get lineno(): number {
    return this.#lineno
  }

  get colno(): number {
    return this.#colno
  }

  get error(): unknown {
    return this.#error
  }
}
shapeEvent(ErrorEvent, ['message', 'filename', 'lineno', 'colno', 'error'])

/** HTML Standard, 8.1.4.7. */
export class PromiseRejectionEvent extends Event {
  readonly #promise: unknown
  readonly #reason: unknown

  constructor(type: unknown, init: EventInit & { promise?: unknown; reason?: unknown } = {}) {
    needArguments(arguments.length, 1, '', 'PromiseRejectionEvent')
    super(type, init)
    this.#promise = init.promise
    this.#reason = init.reason
  }

  get promise(): unknown {
    return this.#promise
  }

  get reason(): unknown {
    return this.#reason
  }
}
shapeEvent(PromiseRejectionEvent, ['promise', 'reason'])

/** HTML Standard, 9.1. */
export class MessageEvent extends Event {
  constructor(type: unknown, init: EventInit & { data?: unknown; origin?: unknown; lastEventId?: unknown; ports?: unknown[] } = {}) {
    needArguments(arguments.length, 1, '', 'MessageEvent')
    super(type, init)
    const { data = null, origin = '', lastEventId = '', ports = [] } = init
    // As in Deno, these are an instance's own.
    Object.assign(this, { data, ports: Object.freeze([...ports]), origin: toText(origin), lastEventId: toText(lastEventId) })
  }

  get source(): null {
    return null
  }
}
shapeEvent(MessageEvent, ['data', 'origin', 'lastEventId'])
Object.defineProperty(MessageEvent, 'length', { value: 2 })

/** WebSockets Standard, 6. */
export class CloseEvent extends Event {
  readonly #wasClean: boolean
  readonly #code: number
  readonly #reason: string

  constructor(type: unknown, init: EventInit & { wasClean?: unknown; code?: unknown; reason?: unknown } = {}) {
    needArguments(arguments.length, 1, '', 'CloseEvent')
    super(type, init)
    this.#wasClean = !!init.wasClean
    this.#code = Number(init.code ?? 0) & 0xffff
    this.#reason = toText(init.reason ?? '')
  }

  get wasClean(): boolean {
    return this.#wasClean
  }

  get code(): number {
    return this.#code
  }

  get reason(): string {
    return this.#reason
  }
}
shapeEvent(CloseEvent, ['wasClean', 'code', 'reason'])

/** XMLHttpRequest Standard, 5. */
export class ProgressEvent extends Event {
  constructor(type: unknown, init: EventInit & { lengthComputable?: unknown; loaded?: unknown; total?: unknown } = {}) {
    needArguments(arguments.length, 1, '', 'ProgressEvent')
    super(type, init)
    // As in Deno, these are an instance's own.
    Object.assign(this, { lengthComputable: !!init.lengthComputable, loaded: Number(init.loaded ?? 0), total: Number(init.total ?? 0) })
  }
}
shapeEvent(ProgressEvent, ['lengthComputable', 'loaded', 'total'])
