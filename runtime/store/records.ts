import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import type { NewExtraction } from '../../bridge/emit.host.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import { type BatchLimits, openBatches } from './batches.ts'
import {
  type Extraction, type ExtractionQuery, insertExtractions, selectExtractions, storableExtraction,
} from './extractions.ts'
import { answered } from './failures.ts'
import { insertLogs, type LogLine, type LogQuery, type NewLog, selectLogs, storableLog } from './logs.ts'
import type { Page } from './pages.ts'
import { makePartitions } from './partitions.ts'
import type { StoreLog } from './server.ts'

export type { Extraction, ExtractionQuery, LogLine, LogQuery, NewExtraction, NewLog, Page }

/** What modules emit and log, in the database. */
export interface Records {
  /**
   * Keeps records; settles when all of them are in the database. Waits while the queue is full.
   *
   * @throws INVALID when some cannot be stored, `details` naming each of them: the others are stored all the same;
   * STORE_FAILED when the database was away for too long, or the store is closed
   * @example await records.addExtractions([{ id, module, version, execution, seq: 0, hook, type, data: '{}', createdAt }])
   */
  addExtractions(rows: NewExtraction[]): Promise<void>
  /** Keeps log lines, a little later. What the queue has no room for is dropped, and a line of the module says so. */
  addLogs(rows: NewLog[]): void
  /** Settles when the log lines taken so far are in the database or given up. */
  flush(): Promise<void>
  /** @throws BAD_REQUEST for a malformed cursor or limit; TIMEOUT for what would read too much; STORE_FAILED when the database does not answer */
  listExtractions(query: ExtractionQuery): Promise<Page<Extraction>>
  /** @throws BAD_REQUEST for a malformed cursor or limit; TIMEOUT for what would read too much; STORE_FAILED when the database does not answer */
  listLogs(query: LogQuery): Promise<Page<LogLine>>
  /** How many wait to be written. */
  depths(): { extractions: number; logs: number }
  /** Takes nothing more, and settles when what was taken is in the database or given up. */
  close(): Promise<void>
}

export interface RecordsOptions {
  log?: StoreLog
  limits?: Partial<BatchLimits>
}

interface Dropped {
  module: string
  version: string
  reason: string
  count: number
}

const LIMITS: BatchLimits = {
  batchRows: 1_000,
  batchBytes: 4 * 1024 * 1024,
  queueRows: 20_000,
  queueBytes: 32 * 1024 * 1024,
  retryMs: 15_000,
}
const HOUR = 60 * 60 * 1000
const PARTITIONS_MS = 30_000
/** What a row takes besides its long texts. */
const ROW_BYTES = 300

/**
 * Opens the records of a migrated database.
 *
 * @example const records = openRecords(database.sql, { log })
 */
export function openRecords(sql: Sql, { log, limits }: RecordsOptions = {}): Records {
  const effective = { ...LIMITS, ...limits }
  // Rows stored before their day has a partition would end up in the one for the rest.
  let partitions = keepPartitions()
  const timer = setInterval(() => { partitions = keepPartitions() }, HOUR).unref()
  const extractions = openBatches<NewExtraction>(async (rows) => {
    await partitions
    await answered(insertExtractions(sql, rows))
  }, effective)
  const logs = openBatches<NewLog>(async (rows) => {
    await partitions
    await answered(insertLogs(sql, rows))
  }, effective)
  const dropped = new Map<string, Dropped>()
  let telling: Promise<void> | undefined
  let closed = false

  async function keepPartitions(): Promise<void> {
    try {
      await answered(makePartitions(sql), PARTITIONS_MS)
    } catch (error) {
      log?.warn({ error: (error as Error).message }, 'cannot make the partitions of the coming days, trying again in an hour')
    }
  }

  const note = ({ module, version }: NewLog, count: number, reason: string) =>
    dropped.set(module, { module, version, reason, count: (dropped.get(module)?.count ?? 0) + count })

  const drop = (row: NewLog, reason: string) => {
    note(row, 1, reason)
    telling ??= logs.flush().then(tell)
  }

  /** One line for all that a module lost, once there is room again. One that fails waits for the next loss. */
  const tell = () => {
    telling = undefined
    const losses = [...dropped.values()]
    dropped.clear()
    for (const { module, version, reason, count } of losses) {
      const message = `${count} log lines dropped: ${reason}`
      const line: NewLog = { module, version, execution: null, seq: 0, level: 'warn', message, createdAt: new Date() }
      addLog(line, (error) => {
        log?.warn({ module, error: error.message }, message)
        if (error.code !== 'INVALID') note(line, count, reason) // that would be refused for ever
      })
    }
  }

  const addLog = (row: NewLog, lost: (error: BulkheadError) => void) => {
    try {
      const storable = storableLog({ ...row, id: row.id ?? randomUUID() })
      const bytes = ROW_BYTES + storable.message.length + (storable.data?.length ?? 0)
      const settle = (error?: BulkheadError) => { if (error !== undefined) lost(error) }
      if (!logs.offer({ row: storable, bytes, settle })) {
        lost(new BulkheadError('BUSY', 'more came than could be stored'))
      }
    } catch (error) {
      lost(error as BulkheadError)
    }
  }

  return {
    addExtractions: (rows) => new Promise((resolve, reject) => {
      if (closed) return reject(new BulkheadError('STORE_FAILED', 'cannot store the records: the store is closed'))
      const refused: Array<{ id: string; reason: string }> = []
      let failure: BulkheadError | undefined
      let left = rows.length
      const settle = (row: NewExtraction, error?: BulkheadError) => {
        if (error?.code === 'INVALID') refused.push({ id: row.id, reason: error.message })
        else failure ??= error
        if (--left > 0) return
        if (failure !== undefined) return reject(failure)
        if (refused.length === 0) return resolve()
        const message = `cannot store ${refused.length} of ${rows.length} records: ${refused[0]?.reason}`
        reject(new BulkheadError('INVALID', message, { refused }))
      }
      if (rows.length === 0) return resolve()
      const entries = rows.flatMap((given) => {
        try {
          const row = storableExtraction(given)
          return [{ row, bytes: ROW_BYTES + row.data.length, settle: (error?: BulkheadError) => settle(given, error) }]
        } catch (error) {
          settle(given, error as BulkheadError)
          return []
        }
      })
      return extractions.add(entries)
    }),
    addLogs(rows) {
      if (!closed) for (const row of rows) addLog(row, (error) => drop(row, error.message))
    },
    async flush() {
      await logs.flush()
      if (dropped.size > 0 && telling === undefined) tell()
      await telling
      await logs.flush()
    },
    listExtractions: (query) => selectExtractions(sql, query),
    listLogs: (query) => selectLogs(sql, query),
    depths: () => ({ extractions: extractions.depth(), logs: logs.depth() }),
    async close() {
      closed = true
      clearInterval(timer)
      await extractions.flush()
      await this.flush()
    },
  }
}
