import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Credentials, openLogin } from './scram.ts'
import { openSocket, type Place } from './socket.ts'
import {
  bind, cancelRequest, closeStatement, type Column, describe, execute, flush, HEADER_BYTES, parse, query, readColumns, readCount,
  readFault, readParameterTypes, readRow, saslAnswer, saslStart, type ServerFault, startup, sync, terminate,
} from './wire.ts'

export interface ResultCaps {
  rows: number
  /** Of the rows' text. */
  bytes: number
}

export interface Statement {
  text: string
  /** A list is written as the server's type of the parameter asks for. */
  parameters: ReadonlyArray<string | null | unknown[]>
  /** Its rows come after it has had its effect, and it is no part of a transaction: should they be too many, it is undone. */
  undoable: boolean
}

export interface Result {
  columns: readonly Column[]
  /** JSON arrays of strings and nulls, with commas between. */
  rows: string
  count: number
}

/** One connection as one role, for one statement at a time. Once lost, or in any doubt, it is never used again. */
export interface Connection {
  readonly pid: number
  readonly lost: boolean
  /** Whether a transaction is open (T), open and failed (E), or none is (I). */
  readonly status: 'I' | 'T' | 'E'
  /** @throws StatementFailed, ResultTooLarge, ConnectionLost */
  run(statement: Statement, caps: ResultCaps): Promise<Result>
  /** A statement of ours: `begin`, `commit`, `rollback`. */
  command(sql: string): Promise<void>
  /** Asks the server to stop what runs; settles when it was asked. */
  cancel(): Promise<void>
  /** At once; what runs fails as lost. */
  destroy(): void
}

/** The server refused, or failed at, a statement. */
export class StatementFailed extends Error {
  readonly fault: ServerFault
  constructor(fault: ServerFault) {
    super(fault.message)
    this.fault = fault
  }
}

export class ResultTooLarge extends Error {}

export class ConnectionLost extends Error {}

const CONNECT_MS = 5_000
const CANCEL_MS = 1_000
/** Each takes memory of the server for as long as the connection lives. */
const PREPARED = 32
/** Past the result's own: errors, descriptions of columns. */
const OTHER_BYTES = 256 * 1024

interface Prepared {
  name: string
  types: number[]
  columns: Column[]
}

interface Request {
  handle(type: string, body: Buffer): void
  fail(error: Error): void
}

/**
 * Logs in.
 *
 * @throws StatementFailed where the server refuses, ConnectionLost where there is none
 */
export async function openConnection(place: Place, credentials: Credentials, connectMs = CONNECT_MS): Promise<Connection> {
  const signal = AbortSignal.timeout(connectMs)
  let socket: Socket
  try {
    socket = await openSocket(place, signal)
  } catch (error) {
    throw new ConnectionLost((error as Error).message)
  }
  let lost = false
  let status: Connection['status'] = 'I'
  let request: Request | undefined
  let bytesLeft = OTHER_BYTES
  let key = { pid: 0, secret: 0 }
  let made = 0
  const prepared = new Map<string, Prepared>()

  const lose = (error: Error) => {
    if (lost) return
    lost = true
    socket.destroy()
    request?.fail(error)
    request = undefined
  }

  const receive = (type: string, body: Buffer) => {
    if (type === 'S' || type === 'N' || type === 'A') return // settings, notices: the server's own chatter
    if (type === 'Z') status = String.fromCharCode(body[0] ?? 0) as Connection['status']
    request?.handle(type, body)
  }

  let pending: Buffer[] = []
  let held = 0
  const take = (chunk: Buffer) => {
    bytesLeft -= chunk.length
    pending.push(chunk)
    held += chunk.length
    if (bytesLeft < 0) return lose(new ResultTooLarge())
    if (held < HEADER_BYTES) return
    let whole = pending.length === 1 ? chunk : joinIfWhole()
    if (whole === undefined) return
    let at = 0
    while (whole.length - at >= HEADER_BYTES) {
      const length = whole.readUInt32BE(at + 1)
      if (length > bytesLeft + whole.length - at) return lose(new ResultTooLarge())
      if (whole.length - at < length + 1) break
      receive(String.fromCharCode(whole[at] ?? 0), whole.subarray(at + HEADER_BYTES, at + 1 + length))
      if (lost) return
      at += length + 1
    }
    whole = whole.subarray(at)
    pending = whole.length > 0 ? [whole] : []
    held = whole.length
  }

  /** A long message is put together once, when all of it is there. */
  const joinIfWhole = (): Buffer | undefined => {
    const [first] = pending
    const length = first !== undefined && first.length >= HEADER_BYTES ? first.readUInt32BE(1) : 0
    if (length > bytesLeft + held) lose(new ResultTooLarge())
    return lost || held < length + 1 ? undefined : Buffer.concat(pending, held)
  }

  socket.on('data', take)
  socket.on('error', (error) => lose(new ConnectionLost(error.message)))
  socket.on('close', () => lose(new ConnectionLost('the server closed the connection')))

  /** Sends, and reads until `handle` says that this was it. */
  const exchange = <Answer>(
    out: Buffer[],
    bytes: number,
    handle: (type: string, body: Buffer, done: (answer: Answer) => void, fail: (error: Error) => void) => void,
  ): Promise<Answer> => {
    if (lost) return Promise.reject(new ConnectionLost('the connection is closed'))
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    bytesLeft = bytes
    const end = () => {
      if (request === mine) request = undefined
    }
    const done = (answer: Answer) => {
      end()
      resolve(answer)
    }
    const fail = (error: Error) => {
      end()
      reject(error)
    }
    const mine: Request = { handle: (type, body) => handle(type, body, done, fail), fail }
    request = mine
    socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out))
    return promise
  }

  const login = openLogin(credentials)
  const start = startup({
    user: credentials.user,
    database: place.database,
    client_encoding: 'UTF8',
    application_name: 'bulkhead module',
  })
  const late = () => lose(new ConnectionLost('no answer in time'))
  signal.addEventListener('abort', late, { once: true })
  await exchange<void>([start], OTHER_BYTES, (type, body, done, fail) => {
    if (type === 'R') {
      const answer = answerChallenge(body, login)
      if (answer instanceof Error) lose(answer)
      else if (answer) socket.write(answer)
    } else if (type === 'K') {
      key = { pid: body.readInt32BE(0), secret: body.readInt32BE(4) }
    } else if (type === 'E') {
      fail(new StatementFailed(readFault(body)))
      lose(new ConnectionLost('the server refused'))
    } else if (type === 'Z') {
      done()
    }
  }).finally(() => signal.removeEventListener('abort', late))

  /** Sends what returns no rows. */
  const settle = (out: Buffer[], read: Request['handle']): Promise<void> => {
    let fault: ServerFault | undefined
    return exchange<void>(out, OTHER_BYTES, (type, body, done, fail) => {
      if (type === 'E') fault = readFault(body)
      else if (type !== 'Z') read(type, body)
      else if (fault === undefined) done()
      else fail(new StatementFailed(fault))
    })
  }

  /** Which statement this text is to the server, and what has to be sent first for it to be one. */
  const prepare = (text: string): { known: Prepared; out: Buffer[]; fresh: boolean } => {
    const known = prepared.get(text)
    if (known) {
      prepared.delete(text) // to the end: the first is the one not used for longest
      prepared.set(text, known)
      return { known, out: [], fresh: false }
    }
    const name = `s${made++}`
    const out = [parse(name, text), describe(name)]
    const [oldest] = prepared
    if (prepared.size >= PREPARED && oldest !== undefined) {
      prepared.delete(oldest[0])
      out.unshift(closeStatement(oldest[1].name))
    }
    return { known: { name, types: [], columns: [] }, out, fresh: true }
  }

  const run: Connection['run'] = async ({ text, parameters, undoable }, caps) => {
    const { known, out, fresh } = prepare(text)
    const describes = (type: string, body: Buffer) => {
      if (type === '1') prepared.set(text, known)
      else if (type === 't') known.types = readParameterTypes(body)
      else if (type === 'T') known.columns = readColumns(body)
    }
    if (fresh && parameters.some(Array.isArray)) {
      await settle([...out.splice(0), sync()], describes)
    }
    const values = parameters.map((parameter, at) => (Array.isArray(parameter) ? listText(parameter, known.types[at]) : parameter))
    out.push(bind(known.name, values), execute(caps.rows + 1), undoable ? flush() : sync())
    let rows = ''
    let kept = 0
    let count = 0
    let failure: Error | undefined
    return exchange<Result>(out, caps.bytes + OTHER_BYTES, (type, body, done, fail) => {
      if (type === 'D') {
        if (failure !== undefined) return
        rows += (kept++ > 0 ? ',' : '') + readRow(body)
        if (kept > caps.rows || rows.length > caps.bytes) failure = new ResultTooLarge()
      } else if (type === 'C' || type === 's') {
        if (type === 'C') count = readCount(body)
        if (!undoable) return
        // Without a Sync nothing is committed yet; the server undoes all of it once we are gone.
        if (failure === undefined) socket.write(sync())
        else lose(failure)
      } else if (type === 'E') {
        const fault = readFault(body)
        failure = new StatementFailed(fault)
        if (isStale(fault)) prepared.delete(text)
        if (undoable) socket.write(sync())
      } else if (type === 'Z') {
        if (failure !== undefined) fail(failure)
        else done({ columns: known.columns, rows, count })
      } else {
        describes(type, body)
      }
    })
  }

  return {
    get pid() {
      return key.pid
    },
    get lost() {
      return lost
    },
    get status() {
      return status
    },
    run,
    command: (sql) => settle([query(sql)], () => {}),
    async cancel() {
      try {
        const asking = await openSocket(place, AbortSignal.timeout(CANCEL_MS))
        asking.end(cancelRequest(key.pid, key.secret))
        const timer = new AbortController()
        const closed = new Promise((resolve) => asking.once('close', resolve))
        asking.resume()
        await Promise.race([closed, delay(CANCEL_MS, undefined, { signal: timer.signal }).catch(() => {})])
        timer.abort()
        asking.destroy()
      } catch {
        // where no more connections are to be had, the next step ends it
      }
    },
    destroy() {
      if (!lost) socket.write(terminate())
      lose(new ConnectionLost('the connection was ended'))
    },
  }
}

/** A table that was changed under a prepared statement; the next time it is prepared anew. */
export function isStale({ code, message }: ServerFault): boolean {
  return code === '26000' || (code === '0A000' && message.includes('cached plan'))
}

const [OK, SASL, SASL_CONTINUE, SASL_FINAL] = [0, 10, 11, 12]

function answerChallenge(body: Buffer, login: ReturnType<typeof openLogin>): Buffer | Error | undefined {
  const kind = body.readInt32BE(0)
  const said = body.toString('utf8', 4)
  if (kind === OK) return undefined
  if (kind === SASL) return saslStart(login.first)
  try {
    if (kind === SASL_CONTINUE) return saslAnswer(login.answer(said))
  } catch (error) {
    return new StatementFailed({ code: '28P01', message: (error as Error).message })
  }
  if (kind === SASL_FINAL) return login.isServer(said) ? undefined : new ConnectionLost('the server does not know the password')
  return new StatementFailed({ code: '28000', message: 'the server asks for another kind of login than scram-sha-256 (see its pg_hba.conf)' })
}

const JSON_TYPES = new Set([114, 3802])

/** A list as JSON where the server takes JSON, else as an array of its own. */
function listText(list: unknown[], type: number | undefined): string {
  return type !== undefined && JSON_TYPES.has(type) ? JSON.stringify(list) : arrayText(list)
}

function arrayText(list: unknown[]): string {
  const items = list.map((item) => {
    if (item === null || item === undefined) return 'NULL'
    if (Array.isArray(item)) return arrayText(item)
    const text = typeof item === 'object' ? JSON.stringify(item) : String(item)
    return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  })
  return `{${items.join(',')}}`
}
