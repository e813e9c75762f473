import { Cron } from 'croner'
import { asBulkheadError, type BulkheadError } from '../bridge/errors.ts'
import type { LogRecord } from '../bridge/log.host.ts'
import type { Debugging } from './debugging.ts'
import { type Instance, placeInstance, type Version } from './instance.ts'
import { openLoneCells } from './lone-cell.ts'
import { type ModuleRequest, type ModuleResponse, serveModule } from './serve-module.ts'

/** How long what runs may run on when a script is ended, ms. */
const RETIRE_MS = 500

/** A script that has run to its end, or that lives on since it serves or has jobs. */
export interface RunningScript extends AsyncDisposable {
  error?: BulkheadError
  /** What it ended with by `Deno.exit` or `Deno.exitCode`. */
  exit: number
  /** Where it wants to listen; undefined where it serves nothing. */
  listen?: { port: number; hostname: string; told: boolean }
  /** Whether it goes on by itself. */
  lives: boolean
  fetch(request: ModuleRequest): Promise<ModuleResponse>
}

/**
 * Runs a bare script in an isolate in a cell of its own, without server or database. It lives on until it is disposed
 * where it called `Deno.serve` or `Deno.cron`, each request and each run of a job with the limits of an execution.
 *
 * @param onLog called with each line as it comes
 * @param debugging who debugs it
 */
export async function runScript(version: Version, onLog: (line: LogRecord) => void, debugging?: Debugging): Promise<RunningScript> {
  await using opened = new AsyncDisposableStack()
  const cells = opened.use(await openLoneCells(() => {}, onLog))
  const cell = await cells.open(
    debugging && {
      inspect: debugging.waits ? 'waiting' : 'debugger',
      onDebugged: (message) => debugging.heard(message),
      onLoading: (instance) => debugging.begin((message, run) => void cell.debug(instance, message, run).catch(() => {})), // it has ended
    },
  )
  const none = async (): Promise<never> => {
    throw asBulkheadError(undefined)
  }
  try {
    const { instance } = await placeInstance('script~1', version, cell)
    const { fetch, listen, crons, exit } = instance.handlers
    const serves = fetch && listen !== undefined
    const lives = serves || crons.length > 0
    if (lives) {
      opened.defer(() => instance.retire(RETIRE_MS))
      instance.live()
    }
    for (const job of crons) opened.defer(startCron(instance, job, onFailure))
    const ends = opened.move()
    return {
      exit,
      lives,
      ...(serves && { listen }),
      fetch: (request) => serveModule(request, (invocation, subject) => instance.invoke(invocation, undefined, subject)),
      [Symbol.asyncDispose]: () => ends.disposeAsync(),
    }
  } catch (thrown) {
    const ends = opened.move()
    return { error: asBulkheadError(thrown), exit: 0, lives: false, fetch: none, [Symbol.asyncDispose]: () => ends.disposeAsync() }
  }

  function onFailure(name: string, error: BulkheadError): void {
    const { manifest } = version
    onLog({ module: manifest.name, version: manifest.version, execution: '', seq: 0, level: 'error', message: `cron ${name}: ${error.message}`, createdAt: new Date() })
  }
}

function startCron(instance: Instance, { name, schedule }: { name: string; schedule: string }, onFailure: (name: string, error: BulkheadError) => void): () => void {
  const job = new Cron(schedule, { timezone: 'UTC', protect: true }, async () => {
    await instance.invoke({ target: 'cron', name, args: [] }).catch((thrown: unknown) => onFailure(name, asBulkheadError(thrown)))
  })
  return () => job.stop()
}
