import type { Data, HookContext, Log } from '../sdk/context.ts'
import type { ExtractionReads } from '../sdk/extractions.ts'
import type { ModuleSql } from '../sdk/sql.ts'
import type { Kv } from '../sdk/kv.ts'
import type { Messages } from '../sdk/messages.ts'
import { CHUNK_CAPABILITIES } from './caps.ts'
import type { GuestSettings, Post } from './contract.ts'
import { openSql } from './db.guest.ts'
import { refusal } from './errors.guest.ts'
import { openExtractionReads } from './extractions.guest.ts'
import { openKv } from './kv.guest.ts'
import { openMessages } from './messages.guest.ts'
import type { HostAsk } from './web/host.guest.ts'
import { freeze, hasOwn, isArray, PromiseOf, slice, stringify, table, whenSettled, type Table } from './primordials.guest.ts'

export interface Powers extends Messages {
  emit: HookContext['emit']
  log: Log
  kv: Kv
  db: ExtractionReads & ModuleSql
  env: HookContext['env']
  config: HookContext['config']
  /** Calls back when no answer is waited for. */
  whenAnswered(callback: () => void): void
  /** Tells in one record how many lines the caps swallowed; called when the execution ends. */
  close(): void
}

interface Asks extends Table<number, { resolve(answer: string): void; reject(error: Error): void }> {}

let lastAsk = 0

function isChunk(capability: string): boolean {
  for (let i = 0; i < CHUNK_CAPABILITIES.length; i++) if (CHUNK_CAPABILITIES[i] === capability) return true
  return false
}

/** What one execution may do with the host. Its counts end floods here; the cell and the host count again. */
export function openPowers({ execution, post, settings, asks, lend }: { execution: string; post: Post; settings: GuestSettings; asks: Asks; lend?: (ask: HostAsk) => void }): Powers {
  const { caps, permissions, env, config } = settings
  const refused = table<string, true>()
  let emits = 0
  let pending = 0
  let onAnswered: (() => void) | undefined
  let calls = 0
  let chunks = 0
  let logLines = 0
  let logBytes = 0
  let dropped = 0

  const may = (permission: string): boolean => {
    for (let i = 0; i < permissions.length; i++) if (permissions[i] === permission) return true
    return false
  }

  /** An error for what was not granted. The host is told, once for each permission. */
  const denied = (what: string, permission: string): Error => {
    if (!refused.get(permission) && ++calls <= caps.calls) {
      refused.set(permission, true)
      post('tell', execution, 0, 'violation', '{"permission":' + stringify(slice(permission, 0, 300)) + '}')
    }
    return refusal('CAPABILITY_DENIED', `cannot ${what}, the module has not been granted "${permission}"`)
  }

  /** Asks the host and waits for its answer. An answer nobody awaits may fail without ending the module. */
  const ask = (capability: string, args: string, maxLength = caps.askBytes): Promise<string> => {
    if (args.length > maxLength) {
      throw refusal('SIZE_LIMIT', `cannot call ${capability}, its arguments have ${args.length} characters and ${maxLength} may be sent`, { limit: 'askBytes', value: maxLength, used: args.length })
    }
    if (isChunk(capability)) {
      if (++chunks > caps.chunks) throw refusal('CALL_LIMIT', `cannot call ${capability}, an execution may carry ${caps.chunks} pieces of bodies`, { limit: 'chunks', value: caps.chunks, used: chunks })
    } else if (capability !== 'emit' && ++calls > caps.calls) {
      throw refusal('CALL_LIMIT', `cannot call ${capability}, an execution may call the host ${caps.calls} times`, { limit: 'calls', value: caps.calls, used: calls })
    }
    if (pending >= caps.pending) throw refusal('CALL_LIMIT', `cannot call ${capability}, ${caps.pending} calls wait for their answer`, { limit: 'pending', value: caps.pending, used: pending })
    pending++
    const id = ++lastAsk
    const answer = new PromiseOf<string>((resolve, reject) => {
      asks.set(id, {
        resolve(value) {
          pending--
          resolve(value)
          if (pending === 0) onAnswered?.()
        },
        reject(error) {
          pending--
          reject(error)
          if (pending === 0) onAnswered?.()
        },
      })
    })
    whenSettled(answer, () => {}, () => {})
    post('ask', execution, id, capability, args)
    return answer
  }

  lend?.(ask)

  const emit = (type: string, data: Data): Promise<void> => {
    if (!may('emit')) throw denied('emit', 'emit')
    if (typeof type !== 'string' || type === '' || type.length > 100) {
      throw refusal('INVALID', 'cannot emit, the type must be a string of 1 to 100 characters')
    }
    if (typeof data !== 'object' || data === null || isArray(data)) throw refusal('INVALID', 'cannot emit, the data must be a plain object')
    if (emits >= caps.emits) throw refusal('CALL_LIMIT', `cannot emit, an execution may keep ${caps.emits} records`, { limit: 'emits', value: caps.emits, used: emits })
    const record = '{"type":' + stringify(type) + ',"data":' + (stringify(data) ?? '{}') + '}'
    emits++
    const stored = ask('emit', record)
    return new PromiseOf<void>((resolve, reject) => whenSettled(stored, () => resolve(), reject))
  }

  const writeLog = (level: keyof Log) => (message: unknown, data?: Data) => {
    if (!may('log')) return
    const line = '{"level":"' + level + '","message":' + stringify('' + message) + (data === undefined ? '' : ',"data":' + (stringify(data) ?? 'null')) + '}'
    if (logLines >= caps.logLines || logBytes + line.length > caps.logBytes) {
      dropped++
      return
    }
    logLines++
    logBytes += line.length
    post('tell', execution, 0, 'log', line)
  }

  const askFor = (permission: string) => (capability: string, args: string, maxLength?: number) => {
    if (!may(permission)) throw denied(`call ${capability}`, permission)
    return ask(capability, args, maxLength)
  }

  const readEnv = (name: string): string | undefined => {
    if (typeof name !== 'string' || name.length > 100) throw refusal('INVALID', 'cannot read a variable, its name must be a string of at most 100 characters')
    if (!may('env:' + name)) throw denied('read the variable', 'env:' + name)
    return hasOwn(env, name) ? env[name] : undefined
  }

  return {
    emit,
    config: config as HookContext['config'],
    env: freeze({ get: readEnv }),
    kv: openKv(askFor('kv'), caps.largeAskBytes),
    ...openMessages(ask),
    db: freeze({ ...openExtractionReads(ask), ...openSql(askFor('db')) }),
    log: freeze({ debug: writeLog('debug'), info: writeLog('info'), warn: writeLog('warn'), error: writeLog('error') }),
    whenAnswered(callback) {
      if (pending === 0) return callback()
      onAnswered = () => {
        onAnswered = undefined
        callback()
      }
    },
    close() {
      if (dropped > 0) post('tell', execution, 0, 'log', '{"level":"warn","message":"' + dropped + ' log lines dropped"}')
    },
  }
}
