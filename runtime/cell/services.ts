import { CELL_CALLS, CELL_CAPS, type CellCall } from '../../bridge/cell-calls.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import { parseBounded } from '../../bridge/json.ts'
import { openCrypto } from './crypto.ts'
import type { Execution } from './execution.ts'
import { openZips } from './zips.ts'

type Part = Buffer<ArrayBuffer>

/** Parts of bytes in one call. */
const MAX_PARTS = 2
const MAX_HEAD = CELL_CAPS.headLength

/** What the cell does for one module by itself: cryptography and compression, on the threads of Node's pool. */
export interface Services {
  /** @throws SIZE_LIMIT; what an algorithm refuses is an answer */
  ask(execution: Execution, call: CellCall, args: string): Promise<string>
  /** A context is gone, and what it had here with it. */
  leave(realm: number): void
  close(): void
}

export function isCellCall(capability: string): capability is CellCall {
  return (CELL_CALLS as readonly string[]).includes(capability)
}

export function openServices(): Services {
  const crypto = openCrypto()
  const zips = openZips()
  const staged = new Map<string, Part[]>()
  const bytesOf = new WeakMap<Execution, number>()
  let stagedBytes = 0
  let running = 0
  const waiting: Array<() => void> = []

  function stage(realm: number, [number = '', text = '']: string[]): string {
    const id = `${realm} ${number}`
    const piece = Buffer.from(text, 'base64')
    stagedBytes += piece.length
    if (stagedBytes > CELL_CAPS.stagedBytes) {
      staged.clear()
      stagedBytes = 0
      throw limit('stagedBytes', CELL_CAPS.stagedBytes + piece.length)
    }
    staged.set(id, [...(staged.get(id) ?? []), piece])
    return 'null'
  }

  function partOf(realm: number, text: string): Part {
    return text.startsWith('#') ? unstage(`${realm} ${text.slice(1)}`) : Buffer.from(text, 'base64')
  }

  function unstage(id: string): Part {
    const whole = Buffer.concat(staged.get(id) ?? [])
    staged.delete(id)
    stagedBytes -= whole.length
    return whole
  }

  /** What a call takes of the pool's threads is the execution's, as far as others cannot have taken it. */
  async function work<Result>(execution: Execution, run: () => Promise<Result>): Promise<Result> {
    if (running >= CELL_CAPS.atOnce) await new Promise<void>((done) => waiting.push(done))
    else running++
    const startedAt = performance.now()
    const cpuAtStart = processCpuMs()
    try {
      return await run()
    } finally {
      execution.cpuMs += Math.min(performance.now() - startedAt, processCpuMs() - cpuAtStart)
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }

  function charge(execution: Execution, parts: readonly Part[]): void {
    const sum = parts.reduce((bytes, part) => bytes + part.length, bytesOf.get(execution) ?? 0)
    bytesOf.set(execution, sum)
    if (sum > CELL_CAPS.bytes) throw limit('bytes', sum)
  }

  return {
    async ask(execution, call, args) {
      // The module wrote it: what is parsed and made of it here is bounded before.
      const [head = '', ...texts] = args.split('\0', MAX_PARTS + 1)
      if (head.length > MAX_HEAD) throw limit('headLength', head.length)
      const { realm } = execution
      if (call === 'cell.stage') return stage(realm, [head, ...texts])
      const parts = texts.map((text) => partOf(realm, text))
      charge(execution, parts)
      try {
        const order: unknown = parseBounded(head)
        const answer = await work(execution, (): Promise<{ head: unknown; bytes?: ArrayBuffer | Uint8Array }> => (call === 'cell.zip' ? zips.run(realm, order, parts) : crypto(order, parts)))
        return JSON.stringify(answer.head ?? null) + (answer.bytes ? `\0${Buffer.from(answer.bytes as ArrayBuffer).toString('base64')}` : '')
      } catch (thrown) {
        if (thrown instanceof BulkheadError) throw thrown
        const { name, message } = thrown instanceof Error ? thrown : { name: 'OperationError', message: 'the operation failed' }
        return `!${JSON.stringify({ name, message: message.slice(0, 500) })}`
      }
    },
    leave(realm) {
      zips.close(realm)
      for (const id of staged.keys()) if (id.startsWith(`${realm} `)) unstage(id)
    },
    close() {
      zips.close()
      staged.clear()
    },
  }
}

function limit(name: 'bytes' | 'stagedBytes' | 'headLength', used: number): BulkheadError {
  const reached = { limit: name, value: CELL_CAPS[name], used }
  return new BulkheadError('SIZE_LIMIT', `cannot work on so much, ${reached.used} were given and ${reached.value} may be`, reached)
}

function processCpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}
