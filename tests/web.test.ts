import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleModule } from '../runtime/bundle.ts'
import type { Cell } from '../runtime/cell-client.ts'
import { placeInstance } from '../runtime/instance.ts'
import { type LoneCells, openLoneCells } from '../runtime/lone-cell.ts'
import { parseManifest } from '../runtime/manifest.ts'
import { scriptTerms } from '../runtime/terms.ts'

// Scripts that print what the web's interfaces do, each line an assertion: run by Deno and here, they print the same.

const FOLDER = 'fixtures/web'
const suites = (await readdir(FOLDER)).filter((file) => file.endsWith('.ts') && file !== 'check.ts')
const launcher = createRequire(import.meta.url).resolve('deno/bin.cjs')
const manifest = parseManifest('name: script\nversion: 0.0.0\ndescription: A script\nlimits: { maxExecutionMs: 30000, maxCpuMs: 20000, maxMemoryMB: 128 }\n', 'script')

let home: string
let cells: LoneCells
let cell: Cell
let printed: string[] = []

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'bulkhead-web-'))
  cells = await openLoneCells(() => {}, ({ message }) => printed.push(message))
  cell = await cells.open()
})
afterAll(async () => {
  await cells?.[Symbol.asyncDispose]()
  await rm(home, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
})

/** What the real Deno prints, with an empty cache and nothing to download from. */
function underDeno(suite: string): Promise<string[]> {
  const env = { HOME: home, DENO_DIR: join(home, 'cache'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  return new Promise((done, fail) => {
    execFile(process.execPath, [launcher, 'run', '--no-remote', '--no-npm', '--no-check', join(FOLDER, suite)], { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error) fail(new Error(`${suite} under Deno: ${stderr}`, { cause: error }))
      else done(stdout.trimEnd().split('\n'))
    })
  })
}

async function here(suite: string): Promise<string[]> {
  printed = []
  const artifact = await bundleModule({ folder: resolve(FOLDER), entry: suite, name: 'web', cache: join(home, 'artifacts') })
  const { instance } = await placeInstance(`web~${suite}`, { manifest, artifact, terms: scriptTerms(['log'], {}), script: true }, cell)
  await instance.retire()
  return printed.join('\n').trimEnd().split('\n')
}

describe('a script prints under Deno and here the same lines:', () => {
  for (const suite of suites) {
    test(suite, { timeout: 60_000 }, async () => {
      const expected = underDeno(suite)
      expected.catch(() => {})
      const found = await here(suite)
      expect(found).toEqual(await expected)
    })
  }
})
