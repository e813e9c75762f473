import { now } from './clock.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toText } from './interface.guest.ts'

// DOM Standard, 2.2 to 2.5. There is no tree here: the path of an event is its target.

export interface EventInit {
  bubbles?: unknown
  cancelable?: unknown
  composed?: unknown
}

/** What dispatching does with an event; nobody else holds it. */
export interface EventControl {
  isDispatched(): boolean
  begin(target: object): void
  /** Whether a listener has stopped the others. */
  isStopped(): boolean
  setPassive(passive: boolean): void
  end(): void
  trust(): void
}

let controlOf: (event: object) => EventControl | undefined

export class Event {
  #type: string
  #bubbles: boolean
  #cancelable: boolean
  #composed: boolean
  #target: object | null = null
  #currentTarget: object | null = null
  #phase = 0
  #dispatched = false
  #stopped = false
  #stoppedAtOnce = false
  #canceled = false
  #passive = false
  #trusted = false
  readonly #timeStamp = now()

  constructor(type: unknown, init: EventInit = {}) {
    needArguments(arguments.length, 1, '', 'Event')
    this.#type = toText(type, "Failed to construct 'Event': Argument 1")
    this.#bubbles = !!init.bubbles
    this.#cancelable = !!init.cancelable
    this.#composed = !!init.composed
  }

  get type(): string {
    return this.#type
  }

  get target(): object | null {
    return this.#target
  }

  get srcElement(): object | null {
    return this.#target
  }

  get currentTarget(): object | null {
    return this.#currentTarget
  }

  composedPath(): object[] {
    return this.#currentTarget === null ? [] : [this.#currentTarget]
  }

  get eventPhase(): number {
    return this.#phase
  }

  stopPropagation(): void {
    this.#stopped = true
  }

  get cancelBubble(): boolean {
    return this.#stopped
  }

  set cancelBubble(value: unknown) {
    if (value) this.#stopped = true
  }

  stopImmediatePropagation(): void {
    this.#stopped = this.#stoppedAtOnce = true
  }

  get bubbles(): boolean {
    return this.#bubbles
  }

  get cancelable(): boolean {
    return this.#cancelable
  }

  get returnValue(): boolean {
    return !this.#canceled
  }

  set returnValue(value: unknown) {
    if (!value) this.preventDefault()
  }

  preventDefault(): void {
    if (this.#cancelable && !this.#passive) this.#canceled = true
  }

  get defaultPrevented(): boolean {
    return this.#canceled
  }

  get composed(): boolean {
    return this.#composed
  }

  get timeStamp(): number {
    return this.#timeStamp
  }

  get isTrusted(): boolean {
    return this.#trusted
  }

  initEvent(type: unknown, bubbles: unknown = false, cancelable: unknown = false): void {
    needArguments(arguments.length, 1, 'initEvent', 'Event')
    if (this.#dispatched) return
    this.#type = toText(type)
    this.#bubbles = !!bubbles
    this.#cancelable = !!cancelable
    this.#stopped = this.#stoppedAtOnce = this.#canceled = false
  }

  static {
    controlOf = (event) => {
      if (!(#type in event)) return
      return {
        isDispatched: () => event.#dispatched,
        begin(target) {
          event.#dispatched = true
          event.#target = event.#currentTarget = target
          event.#phase = 2
        },
        isStopped: () => event.#stoppedAtOnce,
        setPassive: (passive) => (event.#passive = passive),
        end() {
          event.#dispatched = event.#stopped = event.#stoppedAtOnce = false
          event.#currentTarget = null
          event.#phase = 0
        },
        trust: () => (event.#trusted = true),
      }
    }
  }
}
shapeInterface(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 })

/** The control of an event; nothing for what is none. */
export const controlOfEvent = (event: unknown) => (typeof event === 'object' && event !== null ? controlOf(event) : undefined)

/** An event of our own making. */
export function trusted<Made extends Event>(event: Made): Made {
  controlOf(event)?.trust()
  return event
}

const COMMON = ['bubbles', 'cancelable', 'composed', 'currentTarget', 'defaultPrevented', 'eventPhase', 'srcElement', 'target', 'returnValue', 'timeStamp', 'type']

/** Shapes an interface that inherits from Event; shown with these attributes after those that all events have. */
export function shapeEvent(of: { readonly name: string; readonly prototype: Event }, names: readonly string[]): void {
  if (of !== Event) shapeInterface(of)
  shapeInspection(of, [...COMMON, ...names])
}
shapeEvent(Event, [])
