/**
 * The messages of PostgreSQL's protocol 3.0 that a lent connection sends and reads; every value is text.
 *
 * The driver of the platform's own connections is not for these: it holds a whole message before anybody may refuse it
 * (a row may have a gigabyte), keeps every statement it ever prepared, and asks twice where there are parameters. Here
 * a message is refused by its header, prepared statements are counted, and a statement is one write and one answer.
 */

export const CAN_SSL = 0x53
const PROTOCOL = 196_608
const SSL_REQUEST = 80_877_103
const CANCEL_REQUEST = 80_877_102

/** Of a message that the server sent: one byte of type, four of length, which count themselves. */
export const HEADER_BYTES = 5

export interface Column {
  name: string
  type: number
}

/** What the server says of a failure; `code` is the SQLSTATE. */
export interface ServerFault {
  code: string
  message: string
  detail?: string
  hint?: string
  constraint?: string
  table?: string
  column?: string
}

export const sslRequest = (): Buffer => untyped(int32(SSL_REQUEST))

export const cancelRequest = (pid: number, secret: number): Buffer => untyped(int32(CANCEL_REQUEST), int32(pid), int32(secret))

export function startup(parameters: Record<string, string>): Buffer {
  return untyped(int32(PROTOCOL), ...Object.entries(parameters).flatMap(([name, value]) => [text(name), text(value)]), Buffer.of(0))
}

export function saslStart(first: string): Buffer {
  const body = Buffer.from(first)
  return message('p', text('SCRAM-SHA-256'), int32(body.length), body)
}

export const saslAnswer = (answer: string): Buffer => message('p', Buffer.from(answer))

export const parse = (name: string, sql: string): Buffer => message('P', text(name), text(sql), int16(0))

export const describe = (name: string): Buffer => message('D', Buffer.from('S'), text(name))

export const closeStatement = (name: string): Buffer => message('C', Buffer.from('S'), text(name))

export function bind(name: string, parameters: ReadonlyArray<string | null>): Buffer {
  const values = parameters.flatMap((parameter) => {
    if (parameter === null) return [int32(-1)]
    const bytes = Buffer.from(parameter)
    return [int32(bytes.length), bytes]
  })
  return message('B', Buffer.of(0), text(name), int16(0), int16(parameters.length), ...values, int16(0))
}

/** Runs what is bound, up to a number of rows; 0 is all. */
export const execute = (maxRows: number): Buffer => message('E', Buffer.of(0), int32(maxRows))

export const sync = (): Buffer => message('S')

export const flush = (): Buffer => message('H')

/** A statement of ours, without parameters. */
export const query = (sql: string): Buffer => message('Q', text(sql))

export const terminate = (): Buffer => message('X')

export function readColumns(body: Buffer): Column[] {
  let at = 2
  return Array.from({ length: body.readUInt16BE(0) }, () => {
    const end = body.indexOf(0, at)
    const name = body.toString('utf8', at, end)
    const type = body.readUInt32BE(end + 7) // after the table and the number of the column in it
    at = end + 19
    return { name, type }
  })
}

export function readParameterTypes(body: Buffer): number[] {
  return Array.from({ length: body.readUInt16BE(0) }, (_, at) => body.readUInt32BE(2 + at * 4))
}

/** A row as the text of a JSON array of strings and nulls. */
export function readRow(body: Buffer): string {
  let row = '['
  let at = 2
  for (let left = body.readUInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at)
    at += 4
    if (row.length > 1) row += ','
    if (length === -1) {
      row += 'null'
    } else {
      row += JSON.stringify(body.toString('utf8', at, at + length))
      at += length
    }
  }
  return `${row}]`
}

/** Rows that a command touched, from its tag: `INSERT 0 3`, `UPDATE 2`. */
export function readCount(body: Buffer): number {
  return Number(/\d+$/.exec(body.toString('latin1', 0, body.length - 1))?.[0] ?? 0)
}

const FAULT_FIELDS: Record<string, keyof ServerFault> = {
  C: 'code',
  M: 'message',
  D: 'detail',
  H: 'hint',
  n: 'constraint',
  t: 'table',
  c: 'column',
}
const FAULT_BYTES = 1_000

/** Shortened: the server quotes what it was given, however long that was. */
export function readFault(body: Buffer): ServerFault {
  const fault: ServerFault = { code: 'XX000', message: 'the server failed' }
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at)
    const field = FAULT_FIELDS[String.fromCharCode(body[at] ?? 0)]
    if (field !== undefined) fault[field] = body.toString('utf8', at + 1, Math.min(end, at + 1 + FAULT_BYTES))
    at = end + 1
  }
  return fault
}

function message(type: string, ...parts: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(type), untyped(...parts)])
}

function untyped(...parts: Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([int32(length), ...parts], length)
}

/** Text in the protocol ends at a zero byte: whoever takes text from a module refuses one with a zero inside. */
function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

function int16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}
