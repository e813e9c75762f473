import { now, timeOrigin } from './clock.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { EventTarget } from './event-target.guest.ts'
import { illegal, needArguments, shapeInspection, shapeInterface, toText } from './interface.guest.ts'
import { structuredClone } from './structured-clone.guest.ts'
import { queueTask } from './task.guest.ts'

// High Resolution Time, Performance Timeline and User Timing.

const OWN = Symbol()
/** Entries that are kept; the oldest go first. */
const MAX_ENTRIES = 10_000
const refuse = () => Object.assign(illegal(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })

export class PerformanceEntry {
  readonly #name: string
  readonly #entryType: string
  readonly #startTime: number
  readonly #duration: number

  constructor(own?: unknown, name = '', entryType = '', startTime = 0, duration = 0) {
    if (own !== OWN) throw refuse()
    this.#name = name
    this.#entryType = entryType
    this.#startTime = startTime
    this.#duration = duration
  }

  get name(): string {
    return this.#name
  }

  get entryType(): string {
    return this.#entryType
  }

  get startTime(): number {
    return this.#startTime
  }

  get duration(): number {
    return this.#duration
  }

  toJSON(): object {
    const { name, entryType, startTime, duration } = this
    return { name, entryType, startTime, duration }
  }
}
const SHOWN = ['name', 'entryType', 'startTime', 'duration']
shapeInterface(PerformanceEntry)
shapeInspection(PerformanceEntry, SHOWN)
Object.defineProperty(PerformanceEntry, 'length', { value: 0 })

interface MarkOptions {
  detail?: unknown
  startTime?: unknown
}

export class PerformanceMark extends PerformanceEntry {
  readonly #detail: unknown

  constructor(name: unknown, options: MarkOptions = {}) {
    needArguments(arguments.length, 1, '', 'PerformanceMark')
    const startTime = options.startTime === undefined ? now() : Number(options.startTime)
    if (startTime < 0) throw new TypeError(`Cannot construct PerformanceMark: startTime cannot be negative, received ${startTime}`)
    super(OWN, toText(name), 'mark', startTime, 0)
    this.#detail = structuredClone(options.detail ?? null)
  }

  get detail(): unknown {
    return this.#detail
  }

  override toJSON(): object {
    return { ...super.toJSON(), detail: this.#detail }
  }
}
shapeInterface(PerformanceMark)
shapeInspection(PerformanceMark, [...SHOWN, 'detail'])

export class PerformanceMeasure extends PerformanceEntry {
  readonly #detail: unknown

  constructor(own?: unknown, name = '', startTime = 0, duration = 0, detail: unknown = null) {
    if (own !== OWN) throw refuse()
    super(OWN, name, 'measure', startTime, duration)
    this.#detail = structuredClone(detail)
  }

  get detail(): unknown {
    return this.#detail
  }

  override toJSON(): object {
    return { ...super.toJSON(), detail: this.#detail }
  }
}
shapeInterface(PerformanceMeasure)
shapeInspection(PerformanceMeasure, [...SHOWN, 'detail'])
Object.defineProperty(PerformanceMeasure, 'length', { value: 0 })

let entries: PerformanceEntry[] = []

function keep<Entry extends PerformanceEntry>(entry: Entry): Entry {
  entries.push(entry)
  if (entries.length > MAX_ENTRIES) entries.shift()
  tellObservers(entry)
  return entry
}

/** As in Deno, in the order in which they were made. */
const inOrder = (list: PerformanceEntry[]) => [...list]

/** When a mark was made, or the time given itself. */
function timeOf(mark: unknown): number {
  if (typeof mark !== 'string') return Number(mark)
  const entry = entries.findLast(({ name, entryType }) => name === mark && entryType === 'mark')
  if (!entry) throw new DOMException(`Cannot find mark: "${mark}"`, 'SyntaxError')
  return entry.startTime
}

interface MeasureOptions {
  start?: unknown
  end?: unknown
  duration?: unknown
  detail?: unknown
}

export class Performance extends EventTarget {
  constructor(own?: unknown) {
    if (own !== OWN) throw refuse()
    super()
  }

  get timeOrigin(): number {
    return timeOrigin()
  }

  clearMarks(name: unknown = undefined): void {
    entries = entries.filter((entry) => entry.entryType !== 'mark' || (name !== undefined && entry.name !== String(name)))
  }

  clearMeasures(name: unknown = undefined): void {
    entries = entries.filter((entry) => entry.entryType !== 'measure' || (name !== undefined && entry.name !== String(name)))
  }

  clearResourceTimings(): void {}

  setResourceTimingBufferSize(): void {}

  getEntries(): PerformanceEntry[] {
    return inOrder(entries)
  }

  getEntriesByName(name: unknown, type: unknown = undefined): PerformanceEntry[] {
    needArguments(arguments.length, 1, 'getEntriesByName', 'Performance')
    return inOrder(entries.filter((entry) => entry.name === String(name) && (type === undefined || entry.entryType === String(type))))
  }

  getEntriesByType(type: unknown): PerformanceEntry[] {
    needArguments(arguments.length, 1, 'getEntriesByType', 'Performance')
    return inOrder(entries.filter((entry) => entry.entryType === String(type)))
  }

  mark(name: unknown, options: MarkOptions = {}): PerformanceMark {
    needArguments(arguments.length, 1, 'mark', 'Performance')
    return keep(new PerformanceMark(name, options))
  }

  measure(name: unknown, startOrOptions: unknown = {}, endMark: unknown = undefined): PerformanceMeasure {
    needArguments(arguments.length, 1, 'measure', 'Performance')
    const options: MeasureOptions = typeof startOrOptions === 'object' && startOrOptions !== null ? startOrOptions : { start: startOrOptions }
    const { start, duration, detail = null } = options
    const end = endMark ?? options.end
    if (start !== undefined && end !== undefined && duration !== undefined) throw new TypeError('Cannot specify "start", "end", and "duration" together in options')
    const endTime = end !== undefined ? timeOf(end) : start !== undefined && duration !== undefined ? timeOf(start) + Number(duration) : now()
    const startTime = start !== undefined ? timeOf(start) : duration !== undefined && end !== undefined ? endTime - Number(duration) : 0
    return keep(new PerformanceMeasure(OWN, toText(name), startTime, endTime - startTime, detail))
  }

  now(): number {
    return now()
  }

  toJSON(): object {
    return { timeOrigin: timeOrigin() }
  }
}
shapeInterface(Performance)
shapeInspection(Performance, ['timeOrigin'])
Object.defineProperty(Performance, 'length', { value: 0 })

export const performance = new Performance(OWN)

export class PerformanceObserverEntryList {
  readonly #list: PerformanceEntry[]

  constructor(own?: unknown, list: PerformanceEntry[] = []) {
    if (own !== OWN) throw refuse()
    this.#list = list
  }

  getEntries(): PerformanceEntry[] {
    return inOrder(this.#list)
  }

  getEntriesByType(type: unknown): PerformanceEntry[] {
    return inOrder(this.#list.filter(({ entryType }) => entryType === String(type)))
  }

  getEntriesByName(name: unknown, type: unknown = undefined): PerformanceEntry[] {
    return inOrder(this.#list.filter((entry) => entry.name === String(name) && (type === undefined || entry.entryType === String(type))))
  }
}
shapeInterface(PerformanceObserverEntryList)

type ObserverCallback = (list: PerformanceObserverEntryList, observer: PerformanceObserver) => void

const observers = new Set<PerformanceObserver>()
let offer: (observer: PerformanceObserver, entry: PerformanceEntry) => void

export class PerformanceObserver {
  readonly #callback: ObserverCallback
  #types: string[] = []
  #waiting: PerformanceEntry[] = []

  constructor(callback: unknown) {
    needArguments(arguments.length, 1, '', 'PerformanceObserver')
    if (typeof callback !== 'function') throw new TypeError("Failed to construct 'PerformanceObserver': Argument 1 is not a function")
    this.#callback = callback as ObserverCallback
  }

  static get supportedEntryTypes(): readonly string[] {
    return Object.freeze(['mark', 'measure'])
  }

  observe(options: { entryTypes?: Iterable<unknown>; type?: unknown; buffered?: unknown } = {}): void {
    const { entryTypes, type, buffered } = options
    if (entryTypes === undefined && type === undefined) throw new TypeError("Failed to execute 'observe' on 'PerformanceObserver': entryTypes or type is needed")
    this.#types = entryTypes === undefined ? [...this.#types, String(type)] : Array.from(entryTypes, String)
    observers.add(this)
    if (buffered) for (const entry of entries) if (entry.entryType === String(type)) offer(this, entry)
  }

  disconnect(): void {
    observers.delete(this)
    this.#types = []
    this.#waiting = []
  }

  takeRecords(): PerformanceEntry[] {
    return this.#waiting.splice(0)
  }

  static {
    offer = (observer, entry) => {
      if (!observer.#types.includes(entry.entryType)) return
      observer.#waiting.push(entry)
      if (observer.#waiting.length > 1) return
      queueTask(() => {
        const list = observer.takeRecords()
        if (list.length > 0) Reflect.apply(observer.#callback, observer, [new PerformanceObserverEntryList(OWN, list), observer])
      })
    }
  }
}
shapeInterface(PerformanceObserver)

function tellObservers(entry: PerformanceEntry): void {
  for (const observer of observers) offer(observer, entry)
}
