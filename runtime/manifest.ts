import { posix } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { Type, type Static } from 'typebox'
import { BulkheadError } from '../bridge/errors.ts'
import type { Data } from '../sdk/context.ts'
import { BUILT_IN, type Catalogue } from './catalogue.ts'
import { faultLine, faultsOf, MAX_FAULTS, show, tell } from './faults.ts'
import { contextFaults, placeFaults, placeFields, routesFaults, routesField } from './manifest-place.ts'
import { configFaults, defaultsFaults, deepFreeze, isData } from './module-config.ts'
import { didYouMean } from './nearest.ts'
import { permissionProblem } from './permissions.ts'
import { type AllowedScopes, scopeFaults, scopeField } from './scopes.ts'
import { decodeText, openSources, SourceError } from './sources.ts'
import { isNotYet, NOT_YET } from './unsupported.ts'
import { parseYaml, type Fault, type YamlFile } from './yaml.ts'

const line = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\x00-\\x1f\\x7f]+$', expects: 'one line of text', description })

const perHook = <Value extends object>(value: Value, description: string) =>
  ({ type: 'object', additionalProperties: value, default: {}, description }) as const

const DEFAULT_PRIORITY = 50

/** module.yaml: its type, its validation and its documentation. */
export const ManifestSchema = Type.Object(
  {
    name: Type.String({
      pattern: '^[a-z][a-z0-9-]{0,62}$',
      expects: 'lower-case letters, digits and "-", a letter first, at most 63',
      description: 'Identifies the module among all that are installed',
    }),
    version: Type.String({
      maxLength: 64,
      pattern:
        '^(0|[1-9]\\d{0,8})\\.(0|[1-9]\\d{0,8})\\.(0|[1-9]\\d{0,8})' +
        '(-(0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)(\\.(0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*))*)?' +
        '(\\+[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$',
      expects: 'a semantic version such as "1.0.0"',
      description: 'Semantic version of this content',
    }),
    description: Type.String({
      minLength: 1,
      maxLength: 1000,
      pattern: '^[^\\x00-\\x08\\x0b-\\x1f\\x7f]+$',
      expects: 'text without control characters',
      description: 'What the module does',
    }),
    displayName: Type.Optional(line(100, 'Name for people')),
    author: Type.Optional(line(200, 'Who wrote it')),
    license: Type.Optional(line(100, 'SPDX licence expression')),
    repository: Type.Optional(
      Type.String({
        maxLength: 500,
        pattern: '^(git\\+)?https?://[^\\s<>"]+$',
        expects: 'an http(s) address',
        description: 'Where its source is kept',
      }),
    ),
    icon: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
        expects: 'the name of an icon such as "shield"',
        description: 'Lucide icon name',
      }),
    ),
    tags: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
          expects: 'lower-case letters, digits and "-", at most 63',
        }),
        { maxItems: 20, uniqueItems: true, default: [], description: 'Words to filter by' },
      ),
    ),
    type: Type.Optional(
      Type.Unsafe<'service' | 'daemon' | 'plugin' | 'extension'>({
        enum: ['service', 'daemon', 'plugin', 'extension'],
        noun: 'type',
        default: 'extension',
        description:
          'What kind of module it is: a service offers functions to others, a daemon is kept running, a plugin is ' +
          'loaded on first use, an extension answers hooks',
      }),
    ),
    ...placeFields,
    routes: Type.Optional(routesField),
    hooks: Type.Optional(
      Type.Array(Type.String(), {
        maxItems: 100,
        uniqueItems: true,
        default: [],
        description: 'Hooks the module answers, of those that the application has',
      }),
    ),
    priorities: Type.Optional(
      Type.Unsafe<Partial<Record<string, number>>>(
        perHook(
          { type: 'integer', minimum: 1, maximum: 100 },
          `Place among the modules of a hook, low first: safety 1 to 10, logging 90 to 99; ${DEFAULT_PRIORITY} unless given`,
        ),
      ),
    ),
    blocking: Type.Optional(
      Type.Unsafe<Partial<Record<string, boolean>>>(
        perHook({ type: 'boolean' }, "Whether the hook waits for the module's verdict; before and after hooks do"),
      ),
    ),
    timeouts: Type.Optional(
      Type.Unsafe<Partial<Record<string, number>>>(
        perHook(
          { type: 'integer', minimum: 1, maximum: 600_000 },
          'Milliseconds that a hook may take; limits.maxExecutionMs unless given, and no more than it',
        ),
      ),
    ),
    failure: Type.Optional(
      Type.Unsafe<Partial<Record<string, 'open' | 'closed'>>>(
        perHook(
          { type: 'string', enum: ['open', 'closed'], noun: 'policy' },
          'What becomes of a call when the module fails: open goes on without it, closed blocks; open unless given',
        ),
      ),
    ),
    config: Type.Optional(
      Type.Unsafe<Data>({
        type: 'object',
        description: 'JSON Schema (2020-12, without references and patterns) of the configuration',
      }),
    ),
    defaults: Type.Optional(
      Type.Unsafe<Data>({ type: 'object', default: {}, description: 'Configuration where nobody gives another' }),
    ),
    scope: Type.Optional(scopeField),
    permissions: Type.Optional(
      Type.Array(Type.String({ maxLength: 300 }), {
        maxItems: 100,
        uniqueItems: true,
        default: [],
        description: 'Capabilities the module asks for, as `name` or `name:argument`',
      }),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          maxMemoryMB: Type.Optional(
            // V8 accepts no less than 8.
            Type.Integer({ minimum: 8, maximum: 1024, default: 64, description: "Megabytes of the isolate's heap" }),
          ),
          maxExecutionMs: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 600_000, default: 5000, description: 'Milliseconds of an execution' }),
          ),
          maxCpuMs: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 600_000, default: 1000, description: 'CPU milliseconds of one' }),
          ),
          maxConcurrency: Type.Optional(
            Type.Integer({ minimum: 1, maximum: 1000, default: 8, description: 'Executions at a time' }),
          ),
        },
        { additionalProperties: false, default: {}, description: 'What one execution may use up' },
      ),
    ),
  },
  { additionalProperties: false },
)

type Written = Static<typeof ManifestSchema>
type PerHook = 'priorities' | 'blocking' | 'timeouts' | 'failure'
type Defaulted =
  | 'subscribe' | 'dependencies' | 'requires' | 'provides' | 'isolation' | 'context' | 'intervals' | 'schedules'
  | 'type' | 'tags' | 'hooks' | 'defaults' | 'permissions' | PerHook

/** A checked manifest with every default filled in, deep-frozen. */
export type Manifest = Readonly<
  Omit<Written, Defaulted | 'limits' | 'scope'> &
    Required<Pick<Written, Defaulted>> & { limits: Readonly<Required<NonNullable<Written['limits']>>>; scope: AllowedScopes }
>

/** What a manifest says of one of its hooks. */
export interface HookSettings {
  name: string
  /** 1 to 100, low first. */
  priority: number
  blocking: boolean
  timeoutMs: number
  failure: 'open' | 'closed'
}

const ajv = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, logger: false })
ajv.addVocabulary(['expects', 'noun'])
const validate = ajv.compile<Manifest>(ManifestSchema)

/**
 * Reads a manifest's text. All that is wrong with it is told at once.
 *
 * @param file the name by which faults tell where they are
 * @param catalogue the hooks that there are
 * @throws BulkheadError `MANIFEST_INVALID`; its details are a list of `{ file, line, column, path, value, message }`
 * @example parseManifest('name: a\nversion: 1.0.0\ndescription: A\nhooks: [session:start]', 'modules/a/module.yaml')
 */
export function parseManifest(text: string, file: string, catalogue: Catalogue = BUILT_IN): Manifest {
  const yaml = parseYaml(text)
  const { value, faults } = yaml
  if (isData(value)) {
    faults.push(...meaningFaults(value, catalogue))
    // Last, as it fills the defaults in.
    if (!validate(value)) faults.push(...faultsOf(validate.errors ?? []).filter(unlessTold(faults)).map(asNotYet))
    if (faults.length === 0) return deepFreeze(value) as unknown as Manifest
  } else if (faults.length === 0) {
    faults.push({ path: [], message: `must be a mapping of fields, not ${show(value)}`, value })
  }
  throw invalid(yaml, file)
}

/**
 * Reads module.yaml of a module's folder.
 *
 * @throws BulkheadError `MANIFEST_INVALID` as of {@link parseManifest}, also when there is no such file
 */
export async function readManifest(folder: string, catalogue?: Catalogue): Promise<Manifest> {
  const file = posix.join(folder, 'module.yaml')
  let text: string
  try {
    text = decodeText('module.yaml', await (await openSources(folder)).read('module.yaml'))
  } catch (thrown) {
    const message = thrown instanceof SourceError ? thrown.message : 'the file cannot be read'
    throw invalid({ value: undefined, faults: [{ path: [], message }], locate: () => ({ line: 1, column: 1 }) }, file)
  }
  return parseManifest(text, file, catalogue)
}

/**
 * What a manifest says of one of its hooks, with the defaults of hook and module.
 *
 * @example hookSettings(manifest, 'chat:before_ai').priority // 50
 */
export function hookSettings(manifest: Manifest, hook: string, catalogue: Catalogue = BUILT_IN): HookSettings {
  return {
    name: hook,
    priority: manifest.priorities[hook] ?? DEFAULT_PRIORITY,
    blocking: manifest.blocking[hook] ?? catalogue.find(hook).blocking,
    timeoutMs: manifest.timeouts[hook] ?? manifest.limits.maxExecutionMs,
    failure: manifest.failure[hook] ?? 'open',
  }
}

/** What a schema cannot say. The values need not have the right types: that is told by the schema. */
function meaningFaults(value: Data, catalogue: Catalogue): Fault[] {
  const faults: Fault[] = [...placeFaults(value), ...contextFaults(value), ...routesFaults(value), ...hookFaults(value, catalogue), ...scopeFaults(value['scope'])]
  const longest = dataOf(value['limits'])['maxExecutionMs'] ?? 5000
  for (const [hook, timeout] of Object.entries(dataOf(value['timeouts']))) {
    if (typeof timeout === 'number' && typeof longest === 'number' && timeout > longest && timeout <= 600_000) {
      const message = `must be at most limits.maxExecutionMs, which is ${longest}, not ${timeout}`
      faults.push({ path: ['timeouts', hook], message, value: timeout })
    }
  }
  for (const [index, permission] of listOf(value['permissions']).entries()) {
    const message = typeof permission === 'string' ? permissionProblem(permission) : undefined
    if (message) faults.push({ path: ['permissions', index], message, value: permission })
  }
  if (isData(value['config'])) {
    const wrong = configFaults(value['config'])
    faults.push(...wrong)
    if (wrong.length === 0) faults.push(...defaultsFaults(value['config'], dataOf(value['defaults'])))
  } else if (Object.keys(dataOf(value['defaults'])).length > 0) {
    faults.push({ path: ['defaults'], message: 'needs the schema of the configuration, as config', onKey: true })
  }
  return faults
}

/** A hook that nobody knows, and what is said of a hook for no effect. */
function hookFaults(value: Data, { hooks }: Catalogue): Fault[] {
  const faults: Fault[] = []
  const unknown = (hook: string) => `unknown hook ${show(hook)}${didYouMean(hook, hooks.keys())}`
  const listed = listOf(value['hooks'])
  for (const [index, hook] of listed.slice(0, MAX_FAULTS).entries()) {
    if (typeof hook === 'string' && !hooks.has(hook)) faults.push({ path: ['hooks', index], message: unknown(hook), value: hook })
  }
  for (const field of ['priorities', 'blocking', 'timeouts', 'failure']) {
    for (const hook of Object.keys(dataOf(value[field])).slice(0, MAX_FAULTS)) {
      const refuse = (message: string) => faults.push({ path: [field, hook], message, value: hook, onKey: true })
      if (!hooks.has(hook)) refuse(unknown(hook))
      else if (!listed.includes(hook)) refuse(`${show(hook)} is not among the module's hooks`)
      else if (field !== 'timeouts' && hooks.get(hook)?.mode === 'event') {
        refuse(`${show(hook)} is an event: all its modules are told at the same time, and nobody waits for them`)
      }
    }
  }
  return faults
}

function unlessTold(faults: readonly Fault[]): (fault: Fault) => boolean {
  const told = new Set(faults.map(({ path }) => JSON.stringify(path)))
  return ({ path }) => !told.has(JSON.stringify(path))
}

/** Gives a fault of the schema the name it deserves where the word is one that later versions know. */
function asNotYet(fault: Fault): Fault {
  const { path, value, message, onKey } = fault
  if (path.length !== 1 || !onKey || typeof value !== 'string') return fault
  if (isNotYet('fields', value)) return { ...fault, message: 'not supported yet' }
  return message.includes('did you mean') ? fault : { ...fault, message: message + didYouMean(value, NOT_YET.fields) }
}

function invalid({ faults, locate }: YamlFile, file: string): BulkheadError {
  const told = faults.slice(0, MAX_FAULTS).map((fault) => tell(file, fault, locate(fault)))
  told.sort((a, b) => a.line - b.line || a.column - b.column)
  const more = faults.length > MAX_FAULTS ? [`and ${faults.length - MAX_FAULTS} more`] : []
  return new BulkheadError('MANIFEST_INVALID', [...told.map(faultLine), ...more].join('\n'), told)
}

function dataOf(value: unknown): Data {
  return isData(value) ? value : {}
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
