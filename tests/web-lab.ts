import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { Capabilities } from '../bridge/capabilities.ts'
import { SCRIPT_CAPS } from '../bridge/caps.ts'
import { asBulkheadError, type BulkheadError } from '../bridge/errors.ts'
import { logCapability } from '../bridge/log.host.ts'
import { bundleModule, stopBundler } from '../runtime/bundle.ts'
import { openCell } from '../runtime/cell-client.ts'
import { placeInstance } from '../runtime/instance.ts'
import { parseManifest } from '../runtime/manifest.ts'
import { buildPrograms } from '../runtime/programs.ts'
import { fixedTerms } from '../runtime/terms.ts'

/** Runs scripts in real isolates of one real cell, with the capabilities given and no server. */
export interface WebLab extends AsyncDisposable {
  readonly folder: string
  run(file: string, options?: RunOptions): Promise<ScriptRun>
  /** What the module asked for beyond its grants, in order. */
  readonly violations: string[]
}

export interface RunOptions {
  permissions?: string[]
  /** YAML of `limits:`, in one line. */
  limits?: string
}

export interface ScriptRun {
  lines: string[]
  error?: BulkheadError
}

const SECOND_CHANCE = { recursive: true, force: true, maxRetries: 20, retryDelay: 100 } as const

export async function openWebLab(capabilities: Capabilities = {}): Promise<WebLab> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-web-'))
  const programs = await buildPrograms(join(folder, 'programs'))
  const lines = new Map<string, string[]>()
  const violations: string[] = []
  const log = logCapability((records) => {
    for (const { module, message } of records) lines.get(module)?.push(message)
  }, SCRIPT_CAPS)
  const cell = await openCell('installed', {
    programs,
    settings: { threads: 2 },
    capabilities: { ...capabilities, log },
    events: { lost() {}, doomed() {}, ending() {}, executed() {} },
  })
  let runs = 0

  return {
    folder,
    violations,
    async run(file, { permissions = [], limits = 'maxExecutionMs: 20000, maxCpuMs: 20000, maxMemoryMB: 128' } = {}) {
      const name = `script-${++runs}`
      const granted = JSON.stringify(['log', ...permissions])
      const manifest = parseManifest(`name: ${name}\nversion: 1.0.0\ndescription: a script\ntype: daemon\npermissions: ${granted}\nlimits: { ${limits} }\n`, file)
      const path = resolve(file)
      const artifact = await bundleModule({ folder: dirname(path), entry: basename(path), name, cache: join(folder, 'artifacts') })
      const terms = fixedTerms(manifest)()
      const own: string[] = []
      lines.set(name, own)
      try {
        const version = { manifest, artifact, terms: () => ({ ...terms, violated: (_: unknown, permission: string) => void violations.push(permission) }), script: true }
        const { instance } = await placeInstance(`${name}~1`, version, cell)
        await cell.unload(instance.key)
        return { lines: own }
      } catch (thrown) {
        return { lines: own, error: asBulkheadError(thrown) }
      }
    },
    async [Symbol.asyncDispose]() {
      cell.kill(asBulkheadError(undefined))
      await cell.ended
      stopBundler()
      await rm(folder, SECOND_CHANCE)
    },
  }
}

const launcher = createRequire(import.meta.url).resolve('deno/bin.cjs')

/** Runs a script by the real Deno, and answers with its lines. */
export function runInDeno(folder: string, file: string, flags: string[] = []): Promise<string[]> {
  const env = { HOME: folder, DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  const args = [launcher, 'run', '--no-check', '--no-remote', '--no-npm', '--no-config', ...flags, file]
  return new Promise((done, fail) => {
    execFile(process.execPath, args, { env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) fail(new Error(`deno failed: ${stderr}`))
      else done(stdout.trimEnd().split('\n'))
    })
  })
}
