import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BulkheadError } from '../../bridge/errors.ts'
import { parseManifest } from '../../runtime/manifest.ts'
import { didYouMean } from '../../runtime/nearest.ts'
import { EXIT } from './exit.ts'
import { filesOf, isTemplate, TEMPLATES } from './module-templates.ts'

export const HELP = `bulkhead module:create: write a module to begin with

Usage: bulkhead module:create <name> [--folder PATH] [--type TYPE]

  --folder PATH   the folder to write, which must not exist or be empty (modules/NAME)
  --type TYPE     ${Object.keys(TEMPLATES).join(', ')} (extension)

Types:
${Object.entries(TEMPLATES).map(([type, { about }]) => `  ${type.padEnd(10)} ${about}`).join('\n')}

It writes module.yaml, index.ts, index_test.ts and README.md. The module passes module:validate and its own tests.

Exit codes: 0 done, 1 the folder is not empty, 2 wrong usage

Examples:
  bulkhead module:create word-mask
  bulkhead module:create ticker --type daemon --folder ../ticker
`

export async function moduleCreate(args: string[]): Promise<number> {
  try {
    const { name, folder, type } = readArguments(args)
    const files = filesOf(type, name, folder)
    await makeFolder(folder)
    for (const [file, text] of Object.entries(files)) await writeFile(join(folder, file), text, { flag: 'wx' })
    process.stdout.write(`${Object.keys(files).map((file) => `${join(folder, file)}\n`).join('')}\nTry it: npx bulkhead module:test ${folder}\n`)
    return EXIT.ok
  } catch (thrown) {
    if (!(thrown instanceof BulkheadError)) throw thrown
    process.stderr.write(`error: ${thrown.message}\n`)
    return thrown.code === 'BAD_REQUEST' ? EXIT.usage : EXIT.failed
  }
}

/** @throws CONFLICT where there is something in it already */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true }).catch((thrown: NodeJS.ErrnoException) => thrown)
  if (made instanceof Error) throw new BulkheadError('CONFLICT', `cannot create ${folder}, it cannot be made a folder (${made.code})`)
  if ((await readdir(folder)).length > 0) throw new BulkheadError('CONFLICT', `cannot create ${folder}, there is something in it already`)
}

function readArguments(args: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { folder: { type: 'string' }, type: { type: 'string', default: 'extension' } },
    })
    const [name, ...more] = positionals
    if (name === undefined) throw new Error('no name was given')
    if (more.length > 0) throw new Error(`one name is given, "${more[0]}" is another`)
    const { folder = join('modules', name), type } = values
    if (!isTemplate(type)) {
      throw new Error(`unknown type "${type}"${didYouMean(type, Object.keys(TEMPLATES))}; there are ${Object.keys(TEMPLATES).join(', ')}`)
    }
    parseManifest(filesOf(type, name, folder)['module.yaml'] ?? '', 'module.yaml')
    return { name, folder, type }
  } catch (thrown) {
    throw new BulkheadError('BAD_REQUEST', `cannot create a module, ${(thrown as Error).message}; see bulkhead module:create --help`)
  }
}
