import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type Static, Type } from 'typebox'
import { parse } from 'yaml'
import { BulkheadError, ERRORS, type ErrorCode } from '../../bridge/errors.ts'
import { type Manifest, readManifest } from '../manifest.ts'

/** expect.yaml: how the misbehaviour of a fixture is to end. */
const Expectation = Type.Object(
  {
    /** Codes of which its caller gets one; `harmless` where it answers as if it had done nothing. */
    ends: Type.Array(Type.Unsafe<ErrorCode | 'harmless'>({ enum: ['harmless', ...Object.keys(ERRORS)] }), { minItems: 1 }),
    /** When it misbehaves. */
    during: Type.Enum(['load', 'call', 'unload'], { default: 'call' }),
    /** It is called until it fails, at most so often. */
    calls: Type.Integer({ minimum: 1, default: 1 }),
    /** Records that were acknowledged, and so have to be in the database. */
    records: Type.Integer({ minimum: 0, default: 0 }),
  },
  { additionalProperties: false },
)

/** A module that misbehaves, and how that is to end. */
export interface Fixture {
  readonly family: string
  /** The module's name. */
  readonly name: string
  readonly folder: string
  readonly manifest: Manifest
  readonly expectation: Static<typeof Expectation>
}

const check = new Ajv2020({ useDefaults: true }).compile<Static<typeof Expectation>>(Expectation)

/**
 * The fixtures of a folder: `<family>/<name>/` with module.yaml, index.ts and expect.yaml. Folders without an
 * expectation are no fixtures of misbehaviour.
 *
 * @throws MANIFEST_INVALID; INVALID where an expectation is none
 * @example const fixtures = await readFixtures('fixtures')
 */
export async function readFixtures(folder: string): Promise<Fixture[]> {
  const files = await readdir(folder, { recursive: true })
  const fixtures = files
    .filter((file) => /^[^/]+\/[^/]+\/expect\.yaml$/.test(file))
    .map(async (file): Promise<Fixture> => {
      const expectation: unknown = parse(await readFile(join(folder, file), 'utf8'))
      if (!check(expectation)) throw new BulkheadError('INVALID', `cannot read ${file}, ${new Ajv2020().errorsText(check.errors)}`)
      const [family = '', name = ''] = file.split('/')
      const manifest = await readManifest(join(folder, family, name))
      return { family, name: manifest.name, folder: join(folder, family, name), manifest, expectation }
    })
  return (await Promise.all(fixtures)).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
