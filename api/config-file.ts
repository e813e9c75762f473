import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Type } from 'typebox'
import { catalogueFaults, type HookDeclaration } from '../runtime/catalogue.ts'
import type { EventPolicy } from '../runtime/deliveries.ts'
import { faultLine, faultsOf, MAX_FAULTS, tell } from '../runtime/faults.ts'
import type { Maxima } from '../runtime/maxima.ts'
import { deepFreeze, isData } from '../runtime/module-config.ts'
import { LEAST_AUDIT_DAYS, LONGEST_DAYS, type RetentionPolicy } from '../runtime/store/retention.ts'
import { type Fault, parseYaml } from '../runtime/yaml.ts'

/** What an application says of itself in its file: its hooks, and how often a module is told of an event it fails on. */
export interface FileConfig {
  hooks: Readonly<Record<string, HookDeclaration>>
  events: Readonly<Partial<EventPolicy>>
  /** What a module may ask for at most. */
  limits: Readonly<Maxima>
  /** How long records are kept, in days. */
  retention: Readonly<Partial<RetentionPolicy>>
}

const FileSchema = Type.Object(
  {
    hooks: Type.Optional(Type.Unsafe<FileConfig['hooks']>({})), // checked by the catalogue
    events: Type.Optional(
      Type.Object(
        {
          attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
          retryMs: Type.Optional(Type.Integer({ minimum: 10, maximum: 3_600_000 })),
        },
        { additionalProperties: false },
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          maxMemoryMB: Type.Optional(Type.Integer({ minimum: 8 })),
          maxCpuMs: Type.Optional(Type.Integer({ minimum: 1 })),
          maxExecutionMs: Type.Optional(Type.Integer({ minimum: 1 })),
          maxConcurrency: Type.Optional(Type.Integer({ minimum: 1 })),
        } satisfies Record<keyof Maxima, unknown>,
        { additionalProperties: false },
      ),
    ),
    retention: Type.Optional(
      Type.Object(
        {
          logsDays: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_DAYS })),
          extractionsDays: Type.Optional(Type.Integer({ minimum: 1, maximum: LONGEST_DAYS })),
          auditDays: Type.Optional(Type.Integer({ minimum: LEAST_AUDIT_DAYS, maximum: LONGEST_DAYS })),
        } satisfies Record<keyof RetentionPolicy, unknown>,
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)
const check = new Ajv2020({ allErrors: true, verbose: true, logger: false }).addVocabulary(['expects', 'noun']).compile(FileSchema)

/**
 * Reads the application's file.
 *
 * @returns what it says, deep-frozen; and a line for everything wrong with it, in which case it says nothing
 * @example readConfigFile('bulkhead.yaml') // { config: { hooks: { 'order:placed': { mode: 'event' } }, events: {} }, faults: [] }
 */
export function readConfigFile(path: string): { config: FileConfig; faults: string[] } {
  const nothing = Object.freeze({ hooks: Object.freeze({}), events: Object.freeze({}), limits: Object.freeze({}), retention: Object.freeze({}) })
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8 text' : `it cannot be read (${code ?? 'unknown'})`
    return { config: nothing, faults: [`${path}: ${why}`] }
  }
  const { value, faults, locate } = parseYaml(text)
  if (faults.length === 0) faults.push(...faultsIn(value))
  const told = faults.slice(0, MAX_FAULTS).map((fault) => tell(path, fault, locate(fault)))
  told.sort((a, b) => a.line - b.line || a.column - b.column)
  if (told.length > 0) return { config: nothing, faults: told.map(faultLine) }
  return { config: deepFreeze({ ...nothing, ...(value as Partial<FileConfig>) }), faults: [] }
}

function faultsIn(value: unknown): Fault[] {
  const faults = check(value) ? [] : faultsOf(check.errors ?? [])
  if (!isData(value) || value['hooks'] === undefined) return faults
  return [...faults, ...catalogueFaults(value['hooks']).map((fault) => ({ ...fault, path: ['hooks', ...fault.path] }))]
}
