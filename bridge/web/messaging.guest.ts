import { DOMException } from './dom-exception.guest.ts'
import { trusted } from './event.guest.ts'
import { EventTarget, shapeHandler } from './event-target.guest.ts'
import { MessageEvent } from './events.guest.ts'
import { illegal, needArguments, shapeInspection, shapeInspectionAs, shapeInterface, toDictionary, toText } from './interface.guest.ts'
import { cloneWith, shapeClone } from './structured-clone.guest.ts'
import { queueTask } from './task.guest.ts'

// HTML Standard, 9.4 and 9.5. Both ends of a channel are in the isolate.

const OWN = Symbol()

/** One end: where its messages wait, and the port that stands for it now. */
interface End {
  other: End | undefined
  port: MessagePort | undefined
  queue: Array<{ data: unknown; ports: object[] }>
}

let endOf: (port: object) => End | undefined
let deliver: (end: End) => void
let detach: (port: MessagePort) => End

export class MessagePort extends EventTarget {
  #end: End | undefined
  #started = false
  #held = true

  constructor(own?: unknown, end?: End) {
    if (own !== OWN) throw illegal()
    super()
    this.#end = end
    if (end) end.port = this
  }

  postMessage(message: unknown, transferOrOptions: unknown = undefined): void {
    needArguments(arguments.length, 1, 'postMessage', 'MessagePort')
    const transfer = readTransfer(transferOrOptions)
    if (transfer.includes(this)) throw new DOMException('Transfer list contains source port', 'DataCloneError')
    const { value, transferred } = cloneWith(message, transfer)
    const target = this.#end?.other
    if (!target) return
    target.queue.push({ data: value, ports: transferred.filter((one) => one instanceof MessagePort) })
    queueTask(() => deliver(target))
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    const end = this.#end
    if (end) for (const _ of end.queue) queueTask(() => deliver(end))
  }

  ref(): void {
    this.#held = true
  }

  unref(): void {
    this.#held = false
  }

  hasRef(): boolean {
    return this.#held && this.#started
  }

  close(): void {
    const end = this.#end
    this.#end = undefined
    if (!end) return
    if (end.other) end.other.other = undefined
    end.other = end.port = undefined
  }

  static {
    endOf = (port) => (#started in port ? port.#end : undefined)
    detach = (port) => {
      const end = port.#end
      if (!end) throw new DOMException('Can not transfer disentangled message port', 'DataCloneError')
      port.#end = undefined
      return end
    }
    deliver = (end) => {
      const { port } = end
      if (!port || !port.#started) return
      const message = end.queue.shift()
      if (message) port.dispatchEvent(trusted(new MessageEvent('message', { data: message.data, ports: message.ports })))
    }
  }
}
shapeInterface(MessagePort)
Object.defineProperty(MessagePort, 'length', { value: 0 })
shapeHandler(MessagePort, 'message', (port) => (port as MessagePort).start())
shapeHandler(MessagePort, 'messageerror')
shapeInspectionAs(MessagePort, (self, inspect, options) => {
  const { onmessage, onmessageerror } = self as unknown as Record<string, unknown>
  return inspect({ active: endOf(self) !== undefined, refed: (self as MessagePort).hasRef(), onmessage, onmessageerror }, options)
})
shapeClone<MessagePort>({
  is: (value) => value instanceof MessagePort,
  transfer: (port) => new MessagePort(OWN, detach(port)),
})

export class MessageChannel {
  readonly #port1: MessagePort
  readonly #port2: MessagePort

  constructor() {
    const [one, two]: [End, End] = [{ other: undefined, port: undefined, queue: [] }, { other: undefined, port: undefined, queue: [] }]
    one.other = two
    two.other = one
    this.#port1 = new MessagePort(OWN, one)
    this.#port2 = new MessagePort(OWN, two)
  }

  get port1(): MessagePort {
    return this.#port1
  }

  get port2(): MessagePort {
    return this.#port2
  }
}
shapeInterface(MessageChannel)
shapeInspection(MessageChannel, ['port1', 'port2'])

const channels = new Set<BroadcastChannel>()

/** Reaches the other channels of the name in this isolate: a module has one context. */
export class BroadcastChannel extends EventTarget {
  readonly #name: string
  #closed = false

  constructor(name: unknown) {
    needArguments(arguments.length, 1, '', 'BroadcastChannel')
    super()
    this.#name = toText(name)
    channels.add(this)
  }

  get name(): string {
    return this.#name
  }

  postMessage(message: unknown): void {
    needArguments(arguments.length, 1, 'postMessage', 'BroadcastChannel')
    if (this.#closed) throw new DOMException('Already closed', 'InvalidStateError')
    for (const channel of channels) {
      if (channel === this || channel.#name !== this.#name) continue
      const { value } = cloneWith(message, [])
      queueTask(() => {
        if (!channel.#closed) channel.dispatchEvent(trusted(new MessageEvent('message', { data: value, origin: 'http://127.0.0.1' })))
      })
    }
  }

  close(): void {
    this.#closed = true
    channels.delete(this)
  }
}
shapeInterface(BroadcastChannel)
shapeHandler(BroadcastChannel, 'message')
shapeHandler(BroadcastChannel, 'messageerror')
shapeInspection(BroadcastChannel, ['name', 'onmessage', 'onmessageerror'])

function readTransfer(value: unknown): unknown[] {
  if (value === undefined || value === null) return []
  if (typeof value === 'object' && Symbol.iterator in value) return [...(value as Iterable<unknown>)]
  return [...(toDictionary<{ transfer: Iterable<unknown> }>(value, 'Argument 2').transfer ?? [])]
}
