import { readdir } from 'node:fs/promises'
import { sep } from 'node:path'
import type { TestOutcome, TestPlan } from '../bridge/deno/test-report.ts'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { Level } from '../bridge/log.host.ts'
import { type Artifact, bundleModule } from './bundle.ts'
import type { NamedSettings } from './bundler/settings.ts'
import type { DenoOptions } from './deno-settings.ts'
import { type Instance, placeInstance, type Version } from './instance.ts'
import { type LoneCells, openLoneCells } from './lone-cell.ts'
import type { ImportSources } from './loading/gathering.ts'
import { type Collection, collectCoverage, type FileSummary } from './coverage/collect.ts'
import { parseManifest } from './manifest.ts'
import { mapStack } from './stack.ts'
import { fixedTerms } from './terms.ts'

/** What happens while a module's tests run, in order. */
export type TestEvent =
  | { type: 'file'; file: string; tests: number; filteredOut: number; only: boolean }
  | { type: 'test'; file: string; /** Where it was declared. */ at: string; outcome: TestOutcome; output: TestOutput[] }
  /** The file could not be run, or not to its end. */
  | { type: 'broken'; file: string; error: BulkheadError }
  /** At the end, where it was asked for: how much of each file ran. */
  | { type: 'coverage'; files: FileSummary[] }

/** A line of `console` or of the log. */
export interface TestOutput {
  level: Level
  message: string
}

interface TestOptions {
  /** A part of the names of the tests to run, or a regular expression between slashes. */
  filter?: string
  /** The folder in which bundles are kept. */
  cache: string
  /** Where imports come from that are not in the folder. */
  imports?: ImportSources
  /** Files of the folder to be read instead of its deno.json and its import map. */
  settings?: NamedSettings
  /** Files of the folder, relative to it, instead of those whose names say that they hold tests. */
  files?: readonly string[]
  /** What the tests may do; nothing but log unless given. */
  terms?: Version['terms']
  deno?: DenoOptions
  /** Whether to tell how much of the files ran. */
  coverage?: boolean
}

// A test may take what a bare script may; the module's own limits are those of one call.
const MANIFEST = parseManifest(
  `
name: test
version: 0.0.0
description: The tests of a module
permissions: [log]
limits: { maxExecutionMs: 30000, maxCpuMs: 10000, maxMemoryMB: 256 }
`,
  'test',
)

/** By which a file is known to hold tests of this kind. `*.test.ts` is left to other runners. */
const TEST_FILE = /(^|_|[/])test\.(ts|tsx|js|mjs)$/

/**
 * Runs the tests of a module's folder, those of each file in an isolate of its own, each test under a budget of its
 * own. One that reaches a limit fails; the next has a new isolate.
 *
 * @throws NOT_FOUND where there is no such folder, or no test in it
 * @example for await (const event of testModuleFolder('modules/pii-filter', { cache })) console.log(event)
 */
export async function* testModuleFolder(folder: string, options: TestOptions): AsyncGenerator<TestEvent> {
  const { filter, cache, imports = {}, settings, files = await findTests(folder) } = options
  const output: TestOutput[] = []
  const coverage = options.coverage ? collectCoverage() : undefined
  await using cells = await openLoneCells(() => {}, ({ level, message }) => output.push({ level, message }))
  for (const file of files) {
    try {
      const artifact = await bundleModule({ folder, entry: file, name: 'test', harness: 'test', ...(coverage && { whole: true }), cache, imports, ...(settings && { settings }) })
      const version = { manifest: MANIFEST, artifact, terms: options.terms ?? fixedTerms(MANIFEST), deno: { folder, entry: file, ...options.deno } }
      yield* testFile(file, version, { wanted: wantedBy(filter), cells, output, coverage })
    } catch (thrown) {
      yield { type: 'broken', file, error: asBulkheadError(thrown) }
    }
  }
  if (coverage) yield { type: 'coverage', files: coverage.files() }
}

async function* testFile(
  file: string,
  version: Version,
  { wanted, cells, output, coverage }: { wanted: (name: string) => boolean; cells: LoneCells; output: TestOutput[]; coverage: Collection | undefined },
): AsyncGenerator<TestEvent> {
  const { artifact } = version
  let instance: Instance | undefined
  const ask = async (name: string, ...args: unknown[]): Promise<unknown> => instance?.invoke({ target: 'service', name, args })
  const begin = async () => {
    instance = (await placeInstance('test~1', version, await cells.open(coverage && { inspect: 'coverage' }))).instance
  }
  // What ran in an isolate that reached a limit went with it.
  const count = async () => {
    if (coverage && instance) coverage.add(artifact, await instance.cell.coverage(instance.key))
  }

  await begin()
  const { tests } = (await ask('plan')) as TestPlan
  const only = tests.some((test) => test.only)
  const chosen = [...tests.entries()].filter(([, test]) => wanted(test.name) && (test.only || !only))
  yield { type: 'file', file, tests: chosen.length, filteredOut: tests.length - chosen.length, only }
  if (chosen.length === 0) return await count()
  await ask('begin')
  for (const [index, { name, stack }] of chosen) {
    const at = placeOf(stack, artifact) ?? file
    output.length = 0
    try {
      const outcome = withMappedStacks((await ask('run', index)) as TestOutcome, artifact)
      yield { type: 'test', file, at, outcome, output: [...output] }
    } catch (thrown) {
      yield { type: 'test', file, at, outcome: endedBy(thrown, name), output: [...output] }
      // What it left behind is not the next one's.
      await begin()
      await ask('begin')
    }
  }
  await ask('end')
  await count()
}

function endedBy(thrown: unknown, name: string): TestOutcome {
  const { code, message, details } = asBulkheadError(thrown)
  const { stack = '', usage } = (details ?? {}) as { stack?: string; usage?: { wallMs: number } }
  return { name, status: 'failed', ms: Math.round(usage?.wallMs ?? 0), error: { name: code, message, stack }, steps: [] }
}

function withMappedStacks({ error, steps, ...rest }: TestOutcome, artifact: Artifact): TestOutcome {
  return {
    ...rest,
    ...(error && { error: { ...error, stack: mapStack(error.stack, artifact.map) } }),
    steps: steps.map((step) => withMappedStacks(step, artifact)),
  }
}

/** @example placeOf('Error: declared\n    at index_test.ts:5:6', artifact) // 'index_test.ts:5:6' */
function placeOf(stack: string, { map }: Artifact): string | undefined {
  const [, first] = mapStack(stack, map).split('\n')
  return first && /([^\s()]+:\d+:\d+)\)?$/.exec(first)?.[1]
}

function wantedBy(filter: string | undefined): (name: string) => boolean {
  if (filter === undefined) return () => true
  const pattern = /^\/(.+)\/$/.exec(filter)?.[1]
  if (pattern === undefined) return (name) => name.includes(filter)
  const expression = new RegExp(pattern)
  return (name) => expression.test(name)
}

async function findTests(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true }).catch(() => {
    throw new BulkheadError('NOT_FOUND', `cannot test ${folder}, there is no such folder`)
  })
  const files = found.map((path) => path.split(sep).join('/')).filter((path) => TEST_FILE.test(path) && !path.includes('node_modules/'))
  if (files.length > 0) return files.toSorted()
  throw new BulkheadError('NOT_FOUND', `cannot test ${folder}, it has no test.ts and no file that ends with _test.ts`)
}
