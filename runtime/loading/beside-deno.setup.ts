import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { bundleModule, stopBundler } from '../bundle.ts'
import { parseManifest } from '../manifest.ts'
import { runOnce } from '../run-once.ts'
import { fixedTerms } from '../terms.ts'

/** A script's lines, here and there. */
export interface BesideDeno extends AsyncDisposable {
  /** What it prints in an isolate. @throws what it throws */
  printed(path: string): Promise<string[]>
  /** What it prints under the real Deno, which has nothing to download from. */
  printedByDeno(path: string): Promise<string[]>
}

const LAUNCHER = createRequire(import.meta.url).resolve('deno/bin.cjs')
const LIMITS = 'limits: { maxMemoryMB: 128, maxCpuMs: 10000, maxExecutionMs: 30000 }'
const MANIFEST = parseManifest(`name: script\nversion: 0.0.0\ndescription: A script\npermissions: [log]\n${LIMITS}`, 'test')

export async function openBesideDeno(): Promise<BesideDeno> {
  const home = await mkdtemp(join(tmpdir(), 'bulkhead-beside-'))
  return {
    async printed(path) {
      const artifact = await bundleModule({ folder: dirname(path), entry: basename(path), name: 'script', cache: join(home, 'artifacts') })
      const lines: string[] = []
      const version = { manifest: MANIFEST, artifact, terms: fixedTerms(MANIFEST), script: true }
      const { error } = await runOnce(version, undefined, ({ message }) => lines.push(message))
      if (error) throw error
      return lines.join('\n').split('\n')
    },
    printedByDeno(path) {
      const env = { HOME: home, DENO_DIR: join(home, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
      return new Promise((resolve, reject) => {
        execFile(process.execPath, [LAUNCHER, 'run', '--no-remote', '--no-npm', '--allow-env', '--allow-read', path], { env }, (error, stdout, stderr) => {
          if (error) reject(new Error(stderr))
          else resolve(stdout.trimEnd().split('\n'))
        })
      })
    },
    async [Symbol.asyncDispose]() {
      await stopBundler()
      await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
}
