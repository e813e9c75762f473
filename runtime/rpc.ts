import type { Duplex } from 'node:stream'
import { asBulkheadError, BulkheadError, ERRORS, type ErrorText } from '../bridge/errors.ts'

// A frame: u32 LE bytes of all that follows, u32 LE bytes of the head, the head (JSON), the body (UTF-8 text).
// Heads are small and parsed at once; bodies are module data, passed on unparsed.
const PREFIX_BYTES = 8
const MAX_HEAD_BYTES = 64 * 1024

/** A head that JSON can carry, and a text that this end does not look into. */
export interface Message<Head = unknown> {
  head: Head
  body: string
}

/** What one end can be asked to do, by name. */
export type Calls = { [name: string]: (head: never, body: string) => Promise<Message> }

export interface Peer<Remote extends Calls> {
  /** Asks the other end. @throws what it threw, or `CELL_LOST` once the channel is closed */
  call<Name extends keyof Remote & string>(
    name: Name,
    head: Parameters<Remote[Name]>[0],
    body?: string,
  ): ReturnType<Remote[Name]>
  /** Rejects everything pending with `reason` and destroys the channel. */
  close(reason: BulkheadError): void
}

interface Envelope {
  id: number
  call?: string
  head?: unknown
  error?: ErrorText
}

interface PeerOptions {
  /** Largest frame accepted, in bytes. */
  maxFrameBytes: number
  /** Called once, when the channel has closed; `violation` where the other end broke the protocol. */
  onClose(reason: { violation?: string }): void
}

/**
 * One end of a channel between host and cell: serves `local`, and asks the other end for `Remote`.
 * The other end is hostile: a malformed or oversized frame, a name that is not served, or an answer
 * to a call never made closes the channel as a violation.
 */
export function connect<Remote extends Calls>(stream: Duplex, local: Calls, options: PeerOptions): Peer<Remote> {
  const pending = new Map<number, { resolve(message: Message): void; reject(error: BulkheadError): void }>()
  let lastId = 0
  let closed: BulkheadError | undefined

  const close = (reason: BulkheadError, violation?: string) => {
    if (closed) return
    closed = reason
    stream.destroy()
    for (const { reject } of pending.values()) reject(reason)
    pending.clear()
    options.onClose(violation === undefined ? {} : { violation })
  }
  const violate = (what: string) => close(new BulkheadError('CELL_LOST', `channel closed, ${what}`), what)

  const send = frameWriter(stream)
  const serve = async (id: number, name: string, head: unknown, body: string) => {
    const handler = Object.hasOwn(local, name) ? local[name] : undefined
    if (!handler) return violate(`unknown call ${JSON.stringify(name.slice(0, 64))}`)
    try {
      const answer = await handler(head as never, body)
      if (!closed) send({ id, head: answer.head }, answer.body)
    } catch (thrown) {
      if (!closed) send({ id, error: asBulkheadError(thrown).toJSON() }, '')
    }
  }
  const settle = (envelope: Envelope, body: string) => {
    const waiting = pending.get(envelope.id)
    if (!waiting) return violate('answer to a call never made')
    const error = envelope.error === undefined ? undefined : readError(envelope.error)
    if (envelope.error !== undefined && !error) return violate('malformed error')
    pending.delete(envelope.id)
    if (error) waiting.reject(error)
    else waiting.resolve({ head: envelope.head, body })
  }

  readFrames(stream, options.maxFrameBytes, violate, (text, body) => {
    if (closed) return
    const envelope = readEnvelope(text)
    if (!envelope) violate('malformed head')
    else if (envelope.call !== undefined) void serve(envelope.id, envelope.call, envelope.head, body)
    else settle(envelope, body)
  })
  stream.on('error', () => {}) // always followed by 'close'
  stream.on('close', () => close(new BulkheadError('CELL_LOST', 'channel closed')))

  return {
    call(name, head, body = '') {
      const answer = new Promise<Message>((resolve, reject) => {
        if (closed) return reject(closed)
        const id = ++lastId
        pending.set(id, { resolve, reject })
        send({ id, call: name, head }, body)
      })
      return answer as ReturnType<Remote[typeof name]>
    },
    close,
  }
}

/** Writes frames, those of one turn of the event loop with a single system call. */
function frameWriter(stream: Duplex): (envelope: Envelope, body: string) => void {
  let texts: string[] = []
  const flush = () => {
    const lengths = texts.map((text) => Buffer.byteLength(text))
    let bytes = (texts.length / 2) * PREFIX_BYTES
    for (const length of lengths) bytes += length
    const buffer = Buffer.allocUnsafe(bytes)
    let at = 0
    for (let n = 0; n < texts.length; n += 2) {
      const [headBytes, bodyBytes] = [lengths[n] as number, lengths[n + 1] as number]
      buffer.writeUInt32LE(4 + headBytes + bodyBytes, at)
      buffer.writeUInt32LE(headBytes, at + 4)
      at += PREFIX_BYTES
      at += buffer.write(texts[n] as string, at)
      at += buffer.write(texts[n + 1] as string, at)
    }
    texts = []
    if (stream.writable) stream.write(buffer)
  }
  return (envelope, body) => {
    if (texts.length === 0) setImmediate(flush)
    texts.push(JSON.stringify(envelope), body)
  }
}

function readFrames(
  stream: Duplex,
  maxFrameBytes: number,
  violate: (what: string) => void,
  onFrame: (head: string, body: string) => void,
): void {
  let chunks: Buffer[] = []
  let bytes = 0
  let wanted = PREFIX_BYTES
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes < wanted) return
    let buffer = chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes)
    wanted = PREFIX_BYTES
    while (buffer.length >= PREFIX_BYTES) {
      const frameBytes = 4 + buffer.readUInt32LE(0)
      const headBytes = buffer.readUInt32LE(4)
      if (frameBytes > maxFrameBytes) return violate(`frame of ${frameBytes} bytes, at most ${maxFrameBytes} are read`)
      if (headBytes > MAX_HEAD_BYTES || PREFIX_BYTES + headBytes > frameBytes) return violate('malformed frame')
      if (buffer.length < frameBytes) {
        wanted = frameBytes
        break
      }
      const bodyAt = PREFIX_BYTES + headBytes
      onFrame(buffer.toString('utf8', PREFIX_BYTES, bodyAt), buffer.toString('utf8', bodyAt, frameBytes))
      buffer = buffer.subarray(frameBytes)
    }
    chunks = buffer.length > 0 ? [buffer] : []
    bytes = buffer.length
  })
}

function readEnvelope(text: string): Envelope | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || !('id' in value) || !Number.isSafeInteger(value.id)) return
    if ('call' in value && typeof value.call !== 'string') return
    return value as Envelope
  } catch {
    return
  }
}

function readError(value: unknown): BulkheadError | undefined {
  if (typeof value !== 'object' || value === null || !('code' in value) || !('message' in value)) return
  const { code, message } = value
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code) || typeof message !== 'string') return
  return new BulkheadError(code as keyof typeof ERRORS, message, 'details' in value ? value.details : undefined)
}
