import { parseArgs } from 'node:util'
import { BulkheadError } from '../../bridge/errors.ts'
import { importSources } from '../config.ts'
import { LONE_ARTIFACTS } from '../../runtime/artifacts.ts'
import { testModuleFolder } from '../../runtime/module-tests.ts'
import { EXIT } from './exit.ts'
import { reportTests } from './test-report.ts'

export const HELP = `bulkhead module:test: run a module's tests inside isolates

Usage: bulkhead module:test <folder> [--filter TEXT|/REGEXP/] [--coverage]

  --coverage       tell how much of each file ran, in the table of deno test
  --filter VALUE   only the tests whose names hold this text, or match this regular expression

Tests are written with Deno.test, in test.ts and in files that end with _test.ts; they may import
"@bulkhead/sdk/testing". Each file has an isolate of its own, in a cell without credentials, network or files; each
test may take 30 s, 10 s of CPU and 256 MB. The same files run under Deno: deno test <folder>. Files called *.test.ts
are left to other runners.

Exit codes: 0 all passed, 1 a test failed or a file could not be run, 2 wrong usage

Examples:
  bulkhead module:test modules/pii-filter
  bulkhead module:test modules/pii-filter --filter response
  bulkhead module:test modules/pii-filter --coverage
`

interface Arguments {
  folder: string
  filter?: string
  coverage: boolean
}

export async function moduleTest(args: string[]): Promise<number> {
  try {
    return await runTests(readArguments(args))
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError) || thrown.code === 'INTERNAL') throw thrown
    process.stderr.write(`error: ${thrown.message}\n`)
    return thrown.code === 'BAD_REQUEST' ? EXIT.usage : EXIT.failed
  }
}

async function runTests({ folder, filter, coverage }: Arguments): Promise<number> {
  return reportTests(testModuleFolder(folder, { coverage, ...(filter !== undefined && { filter }), cache: LONE_ARTIFACTS, imports: importSources() }))
}

function readArguments(args: string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { filter: { type: 'string' }, coverage: { type: 'boolean' } } })
    const [folder, ...more] = positionals
    if (folder === undefined) throw new Error('no folder was named')
    if (more.length > 0) throw new Error(`one folder is tested, "${more[0]}" is another`)
    const { filter, coverage = false } = values
    if (filter !== undefined && /^\/.+\/$/.test(filter)) void new RegExp(filter.slice(1, -1))
    return { folder, coverage, ...(filter !== undefined && { filter }) }
  } catch (thrown) {
    throw new BulkheadError('BAD_REQUEST', `cannot test, ${(thrown as Error).message}; see bulkhead module:test --help`)
  }
}
