import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { SCRIPT_CAPS } from '../bridge/caps.ts'
import { emitCapability } from '../bridge/emit.host.ts'
import { asBulkheadError } from '../bridge/errors.ts'
import { httpCapabilities } from '../bridge/http.host.ts'
import { websocketCapabilities } from '../bridge/websocket.host.ts'
import { kvCapabilities } from '../bridge/kv.host.ts'
import { logCapability, type LogRecord } from '../bridge/log.host.ts'
import { netCapabilities } from '../bridge/net.host.ts'
import { violationCapability } from '../bridge/violation.host.ts'
import { stopBundler } from './bundle.ts'
import { type Cell, openCell } from './cell-client.ts'
import { openMemoryKv } from './memory-kv.ts'
import { buildPrograms, type Programs } from './programs.ts'
import type { CellSettings } from './protocol.ts'
import { watchCell } from './watch-cells.ts'

/** V8's inspector has a cell's main thread wait for the isolate, which others may be in, and read what may be long. */
const INSPECTED_SILENT_MS = 30_000

/** Where modules run without a server and without a database. */
export interface LoneCells extends AsyncDisposable {
  /** A new cell, which is ended with the others. */
  open(inspection?: Inspection): Promise<Cell>
}

/** What V8's inspector is opened for in a cell, which only a cell for a developer's own module may have. */
export interface Inspection {
  inspect: NonNullable<CellSettings['inspect']>
  /** Called with each message of the Chrome DevTools protocol that V8 sends. */
  onDebugged?(message: string): void
  /** Called when something is on its way into the cell, by its key. */
  onLoading?(instance: string): void
}

/**
 * Prepares to run modules in cells of their own. What they emit and log goes to whoever asked.
 *
 * @param onRecord called with each record as it comes
 * @param onLog called with each line as it comes
 * @param made what runs in them, of a host that has made it already
 */
export async function openLoneCells(onRecord: (record: { type: string; data: unknown }) => void, onLog: (line: LogRecord) => void, made?: Programs): Promise<LoneCells> {
  await using opened = new AsyncDisposableStack()
  const programs = made ?? (await buildLone(opened))
  const net = opened.use(netCapabilities())
  const capabilities = {
    ...net.capabilities,
    emit: emitCapability(async (records) => records.forEach(({ type, data }) => onRecord({ type, data: JSON.parse(data) }))),
    log: logCapability((lines) => lines.forEach(onLog), SCRIPT_CAPS),
    violation: violationCapability,
    ...httpCapabilities,
    ...websocketCapabilities,
    ...kvCapabilities(openMemoryKv()),
  }
  const ends = opened.move()
  return {
    async open({ inspect, onDebugged, onLoading }: Partial<Inspection> = {}) {
      const cell = await openCell('installed', {
        programs,
        settings: { threads: availableParallelism(), ...(inspect && { inspect }) },
        capabilities,
        events: { lost() {}, doomed() {}, ending() {}, executed() {}, ...(onDebugged && { debugged: onDebugged }), ...(onLoading && { loading: onLoading }) },
      })
      ends.use(watchCell(cell, undefined, inspect && INSPECTED_SILENT_MS))
      ends.defer(async () => {
        cell.kill(asBulkheadError(undefined))
        await cell.ended
      })
      return cell
    },
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  }
}

async function buildLone(opened: AsyncDisposableStack): Promise<Programs> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-'))
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  opened.defer(stopBundler)
  return buildPrograms(folder)
}
