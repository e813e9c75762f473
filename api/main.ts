import { relative } from 'node:path'
import { pino } from 'pino'
import { BulkheadError } from '../bridge/errors.ts'
import { startRuntime, type Runtime } from '../runtime/runtime.ts'
import { openDatabase } from '../runtime/store/database.ts'
import { openKeyRows } from '../runtime/store/key-rows.ts'
import { ensureAdminKey } from '../runtime/store/keys.ts'
import { createApp } from './app.ts'
import { type Config, loadConfig } from './config.ts'
import { requestFor } from './request-for.ts'
import { execute } from './operations/hooks.ts'
import { listen } from './server.ts'
import { readTls } from './tls.ts'
import { openUsage } from './usage.ts'

// Together below the ten seconds after which a supervisor kills.
const DRAIN_MS = 3000
const STOP_MS = 9500
/** npm passes on the SIGINT that the terminal has sent to its child as well: one Ctrl-C arrives twice. */
const SAME_SIGNAL_MS = 500

/**
 * Serves until SIGTERM or SIGINT, then finishes what is under way and exits with 0 within ten seconds; a second signal
 * ends the process at once. What keeps it from starting is said on stderr, and the exit code is 1.
 */
export async function main(env: NodeJS.ProcessEnv = process.env): Promise<never> {
  const stopped = stopSignal()
  process.stdout.on('error', () => {}) // whoever read our output has gone, which is no reason to stop serving
  try {
    await serve(loadConfig(env), stopped)
    process.exit()
  } catch (thrown) {
    process.stderr.write(`bulkhead: ${thrown instanceof BulkheadError ? thrown.message : (thrown as Error).stack}\n`)
    process.exit(1)
  }
}

async function serve(config: Config, stopped: Promise<string>): Promise<void> {
  const tls = config.tls && readTls(config.tls)
  const log = pino({ level: config.logLevel })
  process.on('unhandledRejection', (reason) => log.error({ err: reason }, 'a promise was rejected and nobody waited'))
  await using database = await openDatabase({
    ...(config.databaseUrl !== undefined && { url: config.databaseUrl }),
    folder: config.data,
    log,
  })
  const key = await ensureAdminKey(database.sql, {
    folder: config.data,
    ...(config.adminKey !== undefined && { preset: config.adminKey }),
  })
  await using runtime = await startRuntime({ ...config, environment: config.moduleEnv, database, log })
  await using usage = openUsage(openKeyRows(database.sql), log)
  const app = createApp({ runtime, database, log, usage, requestsPerMinute: config.requestsPerMinute, corsOrigins: config.corsOrigins })
  await using server = await listen({ host: config.host, port: config.port, fetch: (request, from) => app.fetch(request, from), drainMs: DRAIN_MS, tls })
  process.stdout.write(greeting({ server, isSecure: tls !== undefined, runtime, database: database.describe, keyFile: key.file }))
  // Modules that want to know; a server that listens is none the worse for not having told them.
  runtime.executeHook('server:started', { port: server.port }).catch((thrown: unknown) => log.warn({ err: thrown }, 'cannot tell that the server has started'))
  log.info({ reason: await stopped }, 'stopping')
}

/** Resolves with what asks the process to stop: a signal, or an error after which its state cannot be relied on. */
function stopSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  process.on('uncaughtException', (error) => {
    process.stderr.write(`bulkhead: stopping after an error that nobody caught: ${error.stack}\n`)
    process.exitCode = 1
    setTimeout(() => process.exit(1), STOP_MS).unref()
    resolve('uncaughtException')
  })
  let first: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (first !== undefined && performance.now() - first < SAME_SIGNAL_MS) return
      if (first !== undefined) process.exit(1)
      first = performance.now()
      setTimeout(() => process.exit(1), STOP_MS).unref()
      resolve(signal)
    })
  }
  return promise
}

interface Started {
  isSecure: boolean
  server: { host: string; port: number }
  runtime: Runtime
  database: string
  keyFile: string | undefined
}

function greeting({ server, isSecure, runtime, database, keyFile }: Started): string {
  const modules = runtime.modules()
  const ready = modules.filter(({ status }) => status === 'ready' || status === 'idle')
  const failed = modules.filter(({ status }) => status === 'error')
  const { method, path, body } = requestFor(execute, execute.example)
  const file = keyFile && (relative('', keyFile).startsWith('..') ? keyFile : relative('', keyFile))
  const key = file === undefined ? '$BULKHEAD_ADMIN_KEY' : `$(cat ${quoted(file)})`
  return [
    `Bulkhead listens on ${origin(server, isSecure)}`,
    `  modules    ${ready.length} ready of ${modules.length}: ${modules.map(({ name }) => name).join(', ') || 'none'}`,
    ...failed.map(({ name, error }) => `  failed     ${name}: ${error?.message}`),
    `  database   ${database}`,
    `  admin key  ${file === undefined ? 'the one in BULKHEAD_ADMIN_KEY' : `in ${file}`}`,
    'Try:',
    `  curl -X ${method} ${quoted(origin(server, isSecure) + path)} -H "Authorization: Bearer ${key}" \\`,
    `    -H 'content-type: application/json' -d ${quoted(JSON.stringify(body))}`,
    '',
  ].join('\n')
}

function origin({ host, port }: { host: string; port: number }, isSecure: boolean): string {
  const any = host === '0.0.0.0' || host === '::'
  return `${isSecure ? 'https' : 'http'}://${any ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
}

const quoted = (text: string): string => (/^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

if (import.meta.main) await main()
