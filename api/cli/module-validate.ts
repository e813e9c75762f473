import { parseArgs } from 'node:util'
import { BulkheadError } from '../../bridge/errors.ts'
import { importSources } from '../config.ts'
import { LONE_ARTIFACTS } from '../../runtime/artifacts.ts'
import { type ModuleFault, validateModule } from '../../runtime/validate.ts'
import { EXIT } from './exit.ts'
import { plain } from './test-lines.ts'

export const HELP = `bulkhead module:validate: tell everything that is wrong with a module

Usage: bulkhead module:validate <folder>

Looks at module.yaml, bundles the code, loads it in a cell under the limits of its manifest, and compares the two: hooks
and jobs that have no function, functions that nothing calls, settings and defaults that differ. Each fault is a line
with file, line and column.

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage

Example:
  bulkhead module:validate modules/pii-filter
`

export async function moduleValidate(args: string[]): Promise<number> {
  try {
    const folder = readArguments(args)
    const { faults, manifest } = await validateModule(folder, LONE_ARTIFACTS, { imports: importSources() })
    for (const fault of faults) process.stdout.write(lineOf(fault))
    if (faults.length > 0 || !manifest) {
      process.stderr.write(`${folder} has ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'}\n`)
      return EXIT.failed
    }
    process.stdout.write(`${folder} is valid: ${manifest.name} ${manifest.version}\n`)
    return EXIT.ok
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError) || thrown.code === 'INTERNAL') throw thrown
    process.stderr.write(`error: ${thrown.message}\n`)
    return thrown.code === 'BAD_REQUEST' ? EXIT.usage : EXIT.failed
  }
}

function lineOf({ file, line, column, path, message }: ModuleFault): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':')
  return `${plain(place)} ${path ? `${path}: ` : ''}${plain(message)}\n`
}

function readArguments(args: string[]): string {
  try {
    const [folder, ...more] = parseArgs({ args, allowPositionals: true }).positionals
    if (folder === undefined) throw new Error('no folder was named')
    if (more.length > 0) throw new Error(`one folder is validated, "${more[0]}" is another`)
    return folder
  } catch (thrown) {
    throw new BulkheadError('BAD_REQUEST', `cannot validate, ${(thrown as Error).message}; see bulkhead module:validate --help`)
  }
}
