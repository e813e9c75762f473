import { readdir, stat } from 'node:fs/promises'
import { basename, join, relative, resolve, sep } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import { LONE_ARTIFACTS } from '../../runtime/artifacts.ts'
import { testModuleFolder } from '../../runtime/module-tests.ts'
import { scriptTerms } from '../../runtime/terms.ts'
import { importSources } from '../config.ts'
import { EXIT } from './exit.ts'
import { readScriptFlags } from './script-flags.ts'
import { settingsOf } from './script-host.ts'
import { reportTests } from './test-report.ts'

export const HELP = `bulkhead test: run tests as deno test does, inside isolates

Usage: bulkhead test [options] [files or folders]

Without a file or folder, those below this folder are run: test.ts and files that end with _test.ts or .test.ts.
  -A, --allow-net[=HOST,…], --allow-env[=NAME,…], --allow-read, --deny-…   as for bulkhead run
      --filter TEXT|/REGEXP/   only the tests whose names hold this text, or match this regular expression
      --ignore PATH,…          not these files and folders
      --fail-fast              end with the first test that fails
      --permit-no-files        finding no test is no failure
      --coverage               tell how much of each file ran, in the table of deno test; no file is written

Each file has an isolate of its own, and each test 30 s, 10 s of CPU and 256 MB. What ran before a test that reached a
limit is not in the coverage.

Exit codes: 0 all passed, 1 a test failed or a file could not be run, 2 wrong usage

Examples:
  bulkhead test
  bulkhead test --allow-env=HOME --filter parse lib
  bulkhead test --coverage
`

/** As `deno test` finds them. */
const TEST_FILE = /(^|[._])test\.(ts|tsx|mts|js|mjs|jsx)$/

export async function testCommand(args: string[]): Promise<number> {
  try {
    const { flags, grants, rest } = readScriptFlags(args, ['config', 'import-map', 'filter', 'ignore', 'fail-fast', 'permit-no-files', 'coverage'], process.env, 'never')
    const { filter, ignore } = flags
    if (typeof filter === 'string' && /^\/.+\/$/.test(filter)) void new RegExp(filter.slice(1, -1))
    const root = process.cwd()
    const settings = settingsOf(flags, root)
    const files = await findFiles(root, rest, typeof ignore === 'string' ? ignore.split(',') : [])
    if (files.length === 0 && flags['permit-no-files'] !== true) throw new BulkheadError('NOT_FOUND', 'No test modules found')
    const events = testModuleFolder(root, {
      files,
      settings,
      cache: LONE_ARTIFACTS,
      imports: importSources(),
      terms: scriptTerms(grants.permissions, grants.env),
      deno: { read: grants.read, allEnv: grants.allEnv },
      coverage: flags['coverage'] === true,
      ...(typeof filter === 'string' && { filter }),
    })
    return await reportTests(events, flags['fail-fast'] === true)
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return refuse(`cannot test, ${thrown.message}`, EXIT.usage)
    if (!(thrown instanceof BulkheadError) || thrown.code === 'INTERNAL') throw thrown
    if (thrown.code === 'BAD_REQUEST') return refuse(`cannot test, ${thrown.message}; see bulkhead test --help`, EXIT.usage)
    return refuse(thrown.message, EXIT.failed)
  }
}

function refuse(message: string, code: number): number {
  process.stderr.write(`error: ${message}\n`)
  return code
}

/** The files that were named, and those with tests in the folders that were; relative to the root, sorted. */
async function findFiles(root: string, named: readonly string[], ignored: readonly string[]): Promise<string[]> {
  const files = new Set<string>()
  const left = ignored.map((path) => resolve(root, path))
  const isIgnored = (path: string) => left.some((one) => path === one || path.startsWith(one + sep))
  for (const name of named.length > 0 ? named : ['.']) {
    const path = resolve(root, name)
    if (path !== root && !path.startsWith(root + sep)) throw new BulkheadError('BAD_REQUEST', `${name} is not below this folder`)
    const found = await stat(path).catch(() => undefined)
    if (!found) throw new BulkheadError('NOT_FOUND', `cannot test ${name}, there is no such file or folder`)
    const within = found.isDirectory() ? (await readdir(path, { recursive: true })).map((child) => join(path, child)) : [path]
    for (const file of within) {
      const isTest = !found.isDirectory() || (TEST_FILE.test(basename(file)) && !file.split(sep).includes('node_modules'))
      if (isTest && !isIgnored(file)) files.add(relative(root, file).split(sep).join('/'))
    }
  }
  return [...files].toSorted()
}
