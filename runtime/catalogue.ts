import { Ajv2020 } from 'ajv/dist/2020.js'
import { Type, type Static } from 'typebox'
import { BulkheadError } from '../bridge/errors.ts'
import { CALL_FIELDS, completeContext, HookBody } from './context.ts'
import { type Fault as ToldFault, faultFinder, refusal } from './fault-finder.ts'
import { faultsOf, pathText, show } from './faults.ts'
import { type Hook, HOOKS } from './hooks.ts'
import { isData } from './module-config.ts'
import { didYouMean } from './nearest.ts'
import type { Context } from './pipeline.ts'
import { type Fault, RESERVED_KEYS } from './yaml.ts'

/** What the embedding application says of a hook of its own. Of a hook that is built in it may say `mode: event`. */
export const HookDeclaration = Type.Object(
  {
    mode: Type.Optional(Type.Enum(['pipeline', 'event'], { noun: 'mode' })),
    blocking: Type.Optional(Type.Boolean()),
    about: Type.Optional(Type.String({ minLength: 1, maxLength: 1000 })),
    context: Type.Optional(Type.Unsafe<object>({ type: 'object' })),
  },
  { additionalProperties: false },
)
export type HookDeclaration = Static<typeof HookDeclaration>

/** The hooks of a runtime. */
export interface Catalogue {
  readonly hooks: ReadonlyMap<string, Hook>
  /** @throws NOT_FOUND with the nearest */
  find(name: string): Hook
  /** JSON Schema of all that a call of it may say. @throws NOT_FOUND */
  schemaOf(name: string): object
  /**
   * The context that modules are given for what a caller said.
   *
   * @param requestId used where the body names none
   * @throws NOT_FOUND with the nearest hook; INVALID with every fault in `details.faults`
   */
  read(name: string, body: unknown, requestId: string): Context
}

const NAME = /^[a-z][a-z0-9_-]*(:[a-z][a-z0-9_-]*)+$/
const MAX_NAME = 64
const MAX_DECLARED = 500
/** What a context holds besides data, or may come to hold: the functions of the host. */
const POWERS = ['emit', 'log', 'db', 'kv', 'call', 'publish', 'subscribe', 'config', 'state', 'env', 'fetch', 'event', ...RESERVED_KEYS]

const checkDeclaration = new Ajv2020({ allErrors: true, verbose: true, logger: false }).addVocabulary(['expects', 'noun']).compile(HookDeclaration)

/**
 * The built-in hooks and those that an application declares: name → mode (`pipeline` unless given), whether a call waits
 * for the modules, what it is about, and the JSON Schema of what its context has besides user, session and the like.
 *
 * @throws INVALID with every fault in `details.faults`
 * @example openCatalogue({ 'order:placed': { mode: 'event', context: { properties: { order: { type: 'string' } } } } })
 */
export function openCatalogue(declared: Readonly<Record<string, HookDeclaration>> = {}): Catalogue {
  const faults = catalogueFaults(declared)
  if (faults.length > 0) {
    throw refusal('cannot use these hooks', faults.map(({ path, message }) => ({ path: pathText(path), message })))
  }
  const hooks = new Map(Object.entries(HOOKS))
  for (const [name, { mode = 'pipeline', ...rest }] of Object.entries(declared)) {
    const builtIn = hooks.get(name)
    if (builtIn) hooks.set(name, { ...builtIn, mode })
    else hooks.set(name, { about: '', context: {}, blocking: mode === 'pipeline', ...rest, mode })
  }
  const checks = new Map<object, (value: unknown) => ToldFault[]>()

  function find(name: string): Hook {
    const hook = hooks.get(name)
    if (hook) return hook
    throw new BulkheadError('NOT_FOUND', `no hook named ${show(name)}${didYouMean(name, hooks.keys())}`)
  }

  return {
    hooks,
    find,
    schemaOf: (name) => schemaOf(find(name)),
    read(name, body, requestId) {
      const hook = find(name)
      const key = hook.context ?? HookBody
      // Compiled when first asked: a server that starts asks for none of them.
      const check = checks.get(key) ?? faultFinder(schemaOf(hook))
      checks.set(key, check)
      const wrong = check(body)
      if (wrong.length > 0) throw refusal(`cannot use this context of ${name}`, wrong)
      return completeContext(name, body as HookBody, requestId)
    },
  }
}

/** The hooks without any of an application's. */
export const BUILT_IN: Catalogue = openCatalogue()

/** What is wrong with the hooks that an application declares, its paths beginning with a hook's name. */
export function catalogueFaults(declared: unknown): Fault[] {
  if (!isData(declared)) return [{ path: [], message: `must be a mapping of hooks, not ${show(declared)}`, value: declared }]
  const names = Object.keys(declared)
  if (names.length > MAX_DECLARED) return [{ path: [], message: `declares ${names.length} hooks, the limit is ${MAX_DECLARED}` }]
  return names.flatMap((name) => [...nameFaults(name), ...declarationFaults(name, declared[name])])
}

function nameFaults(name: string): Fault[] {
  if (NAME.test(name) && name.length <= MAX_NAME) return []
  const message = `must be words of lower-case letters, digits, "-" and "_" with ":" between them, such as "order:placed", at most ${MAX_NAME} characters`
  return [{ path: [name], message, value: name, onKey: true }]
}

function declarationFaults(name: string, declaration: unknown): Fault[] {
  if (!checkDeclaration(declaration)) return faultsOf(checkDeclaration.errors ?? [], [name])
  const builtIn = Object.hasOwn(HOOKS, name) ? HOOKS[name] : undefined
  if (builtIn) return builtInFaults(name, builtIn, declaration as HookDeclaration)
  const { mode, blocking, context = {} } = declaration as HookDeclaration
  const faults = contextFaults(context, mode === 'event').map((fault) => ({ ...fault, path: [name, 'context', ...fault.path] }))
  if (mode === 'event' && blocking) faults.push({ path: [name, 'blocking'], message: 'cannot be true, nobody waits for the modules of an event', value: true })
  return faults
}

function builtInFaults(name: string, { mode, blocking }: Hook, declaration: HookDeclaration): Fault[] {
  const faults: Fault[] = Object.keys(declaration)
    .filter((field) => field !== 'mode')
    .map((field) => ({ path: [name, field], message: 'cannot be given, the hook is built in', value: field, onKey: true }))
  const path = [name, 'mode']
  if (declaration.mode === 'event' && blocking) faults.push({ path, message: 'cannot be "event", the verdicts of this hook count', value: 'event' })
  if (declaration.mode !== 'event' && mode === 'event') faults.push({ path, message: 'must be "event", as it is built in', value: declaration.mode })
  return faults
}

function contextFaults(context: object, isEvent: boolean): Fault[] {
  const { type = 'object', properties = {} } = context as { type?: unknown; properties?: unknown }
  if (type !== 'object') return [{ path: ['type'], message: `must be "object", not ${show(type)}`, value: type }]
  const taken = [...Object.keys(HookBody.properties), ...POWERS]
  const faults: Fault[] = Object.keys(isData(properties) ? properties : {})
    .filter((field) => taken.includes(field))
    .map((field) => ({ path: ['properties', field], message: 'cannot be declared, every context has its own', value: field, onKey: true }))
  if (faults.length > 0) return faults
  try {
    faultFinder(schemaOf({ mode: isEvent ? 'event' : 'pipeline', blocking: false, about: '', context }))
    return []
  } catch (thrown) {
    return [{ path: [], message: `is no JSON Schema: ${(thrown as Error).message.slice(0, 300)}` }]
  }
}

/** An event is of its own fields; a pipeline may be of messages, input and output as well, which verdicts change. */
function schemaOf({ mode, context }: Hook): object {
  if (!context) return HookBody
  const { $id: _id, ...own } = context as { $id?: string; properties?: object }
  const fields = mode === 'event' ? CALL_FIELDS : HookBody.properties
  return { expects: 'an object', additionalProperties: false, ...own, type: 'object', properties: { ...fields, ...own.properties } }
}
