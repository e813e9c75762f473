import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { asBulkheadError, BulkheadError } from '../../bridge/errors.ts'
import type { LogRecord } from '../../bridge/log.host.ts'
import { LONE_ARTIFACTS } from '../../runtime/artifacts.ts'
import { bundleModule } from '../../runtime/bundle.ts'
import { BUILT_IN } from '../../runtime/catalogue.ts'
import type { Fault } from '../../runtime/fault-finder.ts'
import type { Version } from '../../runtime/instance.ts'
import { parseManifest, readManifest } from '../../runtime/manifest.ts'
import type { Context } from '../../runtime/pipeline.ts'
import { debuggable } from '../../runtime/debugging.ts'
import { runOnce } from '../../runtime/run-once.ts'
import { type RunningScript, runScript } from '../../runtime/run-script.ts'
import { fixedTerms, scriptTerms } from '../../runtime/terms.ts'
import { parseJson } from '../json.ts'
import { EXIT } from './exit.ts'
import { importSources } from '../config.ts'
import { listenFor, settingsOf } from './script-host.ts'
import { inspectionOf } from './inspection.ts'
import { openInspectServer } from './inspect-server.ts'
import { INSPECT, readScriptFlags, type ScriptFlags, type ScriptGrants } from './script-flags.ts'

export const HELP = `bulkhead run: run one script or module once, in an isolate in a cell, without server or database

Usage: bulkhead run [options] <file> [arguments]
       bulkhead run <folder> [--hook NAME] [--input JSON|@FILE|-]

A file runs as under deno run. What follows it are its Deno.args. Where it calls Deno.serve, it is served on this
machine alone until it is ended.
  -N, --allow-net[=HOST,…]    may fetch from these hosts, or from all
  -E, --allow-env[=NAME,…]    may read these variables, or all
  -R, --allow-read            may read the folder that the file is in
  -A, --allow-all             all of these
      --deny-net, --deny-env[=NAME,…], --deny-read   over what is allowed
  -c, --config FILE           a file below it, in the place of the deno.json beside it
      --import-map FILE       a file below it, in the place of the imports of deno.json
      --inspect[=PORT]        a debugger may attach (chrome://inspect, VS Code) on this machine, to port 9229 or another;
                              there are no limits of time then. --inspect-wait waits for it, --inspect-brk pauses first
What it may write is /tmp, which is its own memory. It may run for 30 s, use 10 s of CPU and 128 MB; served, each
request may.

A folder with a module.yaml is a module, with the permissions and limits of its manifest.
  --hook NAME     call this hook of the module and print {verdict, extractions, logs, usage} as JSON
  --input VALUE   the hook's context: JSON, @ and the name of a file, or - for standard input ({})

Exit codes: 0 done, 1 an error that nobody caught, 2 wrong usage, 124 a limit was reached, or what Deno.exit was given

Examples:
  bulkhead run hello.ts
  bulkhead run --allow-env=HOME --allow-net=api.example.org fetch.ts --verbose
  bulkhead run --inspect-brk hello.ts
  bulkhead run modules/pii-filter --hook chat:before_ai --input '{"message":{"content":"a@example.org"}}'
`

const LIMITS = new Set(['TIMEOUT', 'CPU_LIMIT', 'MEMORY_LIMIT', 'CALL_LIMIT', 'SIZE_LIMIT'])

const SCRIPT_MANIFEST = `
name: script
version: 0.0.0
description: A bare script
limits: { maxExecutionMs: 30000, maxCpuMs: 10000, maxMemoryMB: 128, maxConcurrency: 64 }
`

export async function run(args: string[]): Promise<number> {
  try {
    const { flags, grants, rest } = readScriptFlags(args, ['config', 'import-map', 'hook', 'input', ...INSPECT], process.env, 'first')
    const [target, ...behind] = rest
    if (target === undefined) throw new BulkheadError('BAD_REQUEST', 'no file or folder was named')
    if (await isModule(target)) return await runModule(target, readScriptFlags(behind, ['hook', 'input'], {}, 'never'), flags)
    if (flags['hook'] !== undefined || flags['input'] !== undefined) {
      throw new BulkheadError('BAD_REQUEST', `cannot call a hook of ${target}, it is no folder with a module.yaml`)
    }
    return await runFile(target, behind, grants, flags)
  } catch (thrown) {
    const error = asBulkheadError(thrown)
    if (error.code === 'INTERNAL') throw thrown
    process.stderr.write(`error: ${error.code === 'BAD_REQUEST' ? 'cannot run, ' : ''}${error.message}${error.code === 'BAD_REQUEST' ? '; see bulkhead run --help' : ''}\n`)
    return error.code === 'BAD_REQUEST' ? EXIT.usage : EXIT.failed
  }
}

async function isModule(target: string): Promise<boolean> {
  const found = await stat(resolve(target)).catch(() => undefined)
  if (!found) throw new BulkheadError('NOT_FOUND', `cannot run ${target}, there is no such file or folder`)
  return found.isDirectory() && (await stat(join(resolve(target), 'module.yaml')).catch(() => undefined)) !== undefined
}

async function runModule(target: string, { flags, rest }: ScriptFlags, before: ScriptFlags['flags']): Promise<number> {
  if (rest.length > 0) throw new BulkheadError('BAD_REQUEST', `one folder is run, "${rest[0]}" is another`)
  const { hook, input = '{}' } = { ...before, ...flags }
  const manifest = await readManifest(target)
  if (hook !== undefined && !(manifest.hooks as readonly string[]).includes(hook as string)) {
    throw new BulkheadError('BAD_REQUEST', `"${hook}" is no hook of ${manifest.name}, its hooks are ${manifest.hooks.join(', ') || 'none'}`)
  }
  const artifact = await bundleModule({ folder: resolve(target), name: manifest.name, cache: LONE_ARTIFACTS, imports: importSources() })
  const version: Version = { manifest, artifact, terms: fixedTerms(manifest), script: hook === undefined, deno: { folder: resolve(target) } }
  if (hook === undefined) return await runVersion(version, resolve(target), before)
  if (inspectionOf(before)) throw new BulkheadError('BAD_REQUEST', 'a debugger attaches to a script or to a module that is run without --hook')
  const logs: Array<Pick<LogRecord, 'level' | 'message'> & { data?: unknown }> = []
  const report = await runOnce(version, await readContext(hook as string, input as string), ({ level, message, data }) => {
    logs.push({ level, message, ...(data === undefined ? {} : { data: JSON.parse(data) as unknown }) })
  })
  const { verdict, error, extractions, usage } = report
  process.stdout.write(JSON.stringify({ ...(error ? { error } : { verdict }), extractions, logs, usage }, null, 2) + '\n')
  return exitCodeOf(report)
}

async function runFile(target: string, args: string[], { permissions, env, allEnv, read }: ScriptGrants, flags: ScriptFlags['flags']): Promise<number> {
  const path = resolve(target)
  const isFolder = (await stat(path)).isDirectory()
  const folder = isFolder ? path : dirname(path)
  const settings = settingsOf(flags, folder)
  const manifest = parseManifest(SCRIPT_MANIFEST, target)
  const artifact = await bundleModule({ folder, ...(!isFolder && { entry: basename(path) }), name: 'script', settings, cache: LONE_ARTIFACTS, imports: importSources() })
  const terms = scriptTerms(permissions, env)
  const deno = { args, read, allEnv, folder, ...(!isFolder && { entry: basename(path) }) }
  return await runVersion({ manifest, artifact, terms, script: true, deno }, folder, flags)
}

async function runVersion(version: Version, folder: string, flags: ScriptFlags['flags']): Promise<number> {
  const wanted = inspectionOf(flags)
  if (!wanted) return await end(await runScript(version, printLine))
  await using server = await openInspectServer({ ...wanted, title: pathToFileURL(join(folder, version.deno?.entry ?? '')).href })
  process.stderr.write(`Debugger listening on ${server.url}\nVisit chrome://inspect to connect to the debugger.\n`)
  return await end(await runScript(debuggable(version, folder, wanted.breaks), printLine, server.debugging))
}

/** Waits for the script's end, if it has one of its own, and says how it ended. */
async function end(running: RunningScript): Promise<number> {
  await using script = running
  if (script.error) tellError(script.error)
  if (script.error || !script.lives) return exitCodeOf(script)
  const stopped = new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done())
  })
  await using server = script.listen && (await listenFor(script))
  if (server && !script.listen?.told) process.stderr.write(`Listening on http://localhost:${server.port}/\n`)
  await stopped
  return EXIT.ok
}

async function readContext(hook: string, input: string): Promise<Context> {
  const json = input === '-' ? await readAll(process.stdin) : input.startsWith('@') ? await readInputFile(input.slice(1)) : input
  try {
    return BUILT_IN.read(hook, parseJson(json), crypto.randomUUID())
  } catch (thrown) {
    const { faults } = ((thrown as BulkheadError).details ?? {}) as { faults?: Fault[] }
    if (!faults) throw thrown
    throw new BulkheadError('INVALID', `cannot use the input, ${faults.map(({ path, message }) => `${path}: ${message}`).join('; ')}`, { faults })
  }
}

async function readInputFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => {
    throw new BulkheadError('BAD_REQUEST', `cannot read the input from ${file}, there is no such file`)
  })
}

function printLine({ level, message, data }: LogRecord): void {
  const stream = level === 'warn' || level === 'error' ? process.stderr : process.stdout
  stream.write(data === '{"part":true}' ? message : message + '\n')
}

function tellError(error: BulkheadError): void {
  const { stack } = (error.details ?? {}) as { stack?: string }
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line)).join('\n')
  process.stderr.write(`error: ${LIMITS.has(error.code) ? '' : 'Uncaught '}${error.message}\n${frames ? frames + '\n' : ''}`)
}

function exitCodeOf({ error, exit = EXIT.ok }: { error?: BulkheadError; exit?: number }): number {
  if (!error) return exit
  return LIMITS.has(error.code) ? EXIT.limit : EXIT.failed
}
