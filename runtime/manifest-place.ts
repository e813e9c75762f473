import { Cron } from 'croner'
import { validRange } from 'semver'
import { Type } from 'typebox'
import type { Data } from '../sdk/context.ts'
import { show } from './faults.ts'
import { isData } from './module-config.ts'
import type { Fault } from './yaml.ts'

const NAME = { type: 'string', pattern: '^[a-z][a-z0-9-]{0,62}$', expects: 'a name of lower-case letters, digits and "-"' } as const
const RANGE = { type: 'string', maxLength: 100, minLength: 1 } as const

/** Names with the semver ranges that will do, or a list of names where any version will. */
const needs = (description: string) =>
  Type.Unsafe<readonly string[] | Readonly<Record<string, string>>>({
    type: ['object', 'array'],
    expects: 'a list of names, or a mapping of names to version ranges',
    items: NAME,
    propertyNames: NAME,
    additionalProperties: RANGE,
    maxItems: 100,
    maxProperties: 100,
    default: {},
    description,
  })

export interface Interval {
  everyMs: number
}
export interface Schedule {
  /** Five or six fields, as croner reads them. */
  cron: string
  timezone: string
  /** What becomes of runs that fell into a time when the host or the module was down. */
  missed: 'skip' | 'once'
}

const jobsOf = <Job>(properties: object, required: string[], description: string) =>
  Type.Unsafe<Readonly<Record<string, Job>>>({
    type: 'object',
    propertyNames: { type: 'string', pattern: '^[A-Za-z][\\w-]{0,62}$', expects: 'the name of a function in jobs' },
    additionalProperties: { type: 'object', properties, required, additionalProperties: false },
    maxProperties: 100,
    default: {},
    description,
  })

/** The fields that say what a module needs of others, where it lives, and what it does by itself. */
export const placeFields = {
  dependencies: Type.Optional(needs('Modules that must be ready before this one')),
  requires: Type.Optional(needs('Capabilities that some module must provide; `core` is the version of Bulkhead')),
  provides: Type.Optional(
    Type.Unsafe<string | readonly string[]>({
      type: ['string', 'array'],
      expects: 'a name or a list of names',
      pattern: NAME.pattern,
      items: NAME,
      maxItems: 100,
      default: [],
      description: 'Capabilities that others may require',
    }),
  ),
  slot: Type.Optional(Type.String({ ...NAME, description: 'An exclusive category: at most one module of it is active' })),
  isolation: Type.Optional(
    Type.Unsafe<'shared' | 'dedicated'>({
      type: 'string',
      enum: ['shared', 'dedicated'],
      noun: 'isolation',
      default: 'shared',
      description: 'Whether it shares a cell with others of its kind, or has one to itself',
    }),
  ),
  context: Type.Optional(
    Type.Unsafe<'lasting' | 'fresh'>({
      type: 'string',
      enum: ['lasting', 'fresh'],
      noun: 'context',
      default: 'lasting',
      description:
        'Whether what the module keeps in variables lasts, or each execution has a context of its own, in which the ' +
        'module is loaded for it and of which nothing is left',
    }),
  ),
  subscribe: Type.Optional(
    Type.Array(
      Type.String({
        pattern: '^([\\w-]{1,63}|\\*)(\\.([\\w-]{1,63}|\\*)){0,7}(\\.\\*\\*)?$|^\\*\\*$',
        expects: 'a topic such as "orders.created", with * for a word and a last ** for all that follow',
      }),
      { maxItems: 100, uniqueItems: true, default: [], description: 'Topics that it is told of, by topics or onMessage()' },
    ),
  ),
  intervals: Type.Optional(
    jobsOf<Interval>(
      { everyMs: { type: 'integer', minimum: 100, maximum: 86_400_000 } },
      ['everyMs'],
      'Functions of jobs that run each so many milliseconds, counted from the end of the last run',
    ),
  ),
  schedules: Type.Optional(
    jobsOf<Schedule>(
      {
        cron: { type: 'string', maxLength: 100 },
        timezone: { type: 'string', maxLength: 64, default: 'UTC' },
        missed: { type: 'string', enum: ['skip', 'once'], noun: 'policy', default: 'skip' },
      },
      ['cron'],
      'Functions of jobs that run at the times of a cron expression',
    ),
  ),
}

/** What a module says of the requests that it answers under `/api/modules/<name>/`. */
export const routesField = Type.Object(
  {
    auth: Type.Optional(
      Type.Unsafe<'key' | 'public'>({
        type: 'string',
        enum: ['key', 'public'],
        noun: 'rule',
        default: 'key',
        description: 'Whether a key of the host is needed, or anybody may ask, for which it needs the permission routes:public',
      }),
    ),
  },
  { additionalProperties: false, description: 'The requests that the module answers' },
)

/** Whether what is said of routes has the permission that it takes. */
export function routesFaults(value: Data): Fault[] {
  const { auth } = dataOf(value['routes'])
  if (auth !== 'public' || (Array.isArray(value['permissions']) && value['permissions'].includes('routes:public'))) return []
  return [{ path: ['routes', 'auth'], message: 'needs "routes:public" among the permissions, which the operator grants', value: auth }]
}

/** Kinds that go on between executions, in a context that has to last. */
const LIVING: readonly unknown[] = ['daemon', 'service']

/** Whether a module that has nothing from one execution to the next is of a kind that can do without. */
export function contextFaults({ context, type }: Data): Fault[] {
  if (context !== 'fresh' || !LIVING.includes(type)) return []
  const message = `cannot be fresh where the type is ${show(type)}: it goes on between executions, and nothing of a fresh context does; extensions and plugins may have it`
  return [{ path: ['context'], message, value: context }]
}

/** What a schema cannot say of them: whether ranges and cron expressions can be read. */
export function placeFaults(value: Data): Fault[] {
  const faults: Fault[] = []
  for (const field of ['dependencies', 'requires']) {
    for (const [name, range] of Object.entries(dataOf(value[field]))) {
      if (typeof range !== 'string' || validRange(range) !== null) continue
      faults.push({ path: [field, name], message: `must be a version range such as "^1.0.0", not ${show(range)}`, value: range })
    }
  }
  for (const [name, schedule] of Object.entries(dataOf(value['schedules']))) {
    const { cron, timezone } = dataOf(schedule)
    if (typeof cron !== 'string') continue
    const problem = cronProblem(cron, typeof timezone === 'string' ? timezone : 'UTC')
    if (problem) faults.push({ path: ['schedules', name, 'cron'], message: `${problem}, in ${show(cron)}`, value: cron })
  }
  for (const name of Object.keys(dataOf(value['schedules']))) {
    if (!Object.hasOwn(dataOf(value['intervals']), name)) continue
    faults.push({ path: ['schedules', name], message: `${show(name)} is in intervals as well`, value: name, onKey: true })
  }
  return faults
}

/** Names with ranges, however the manifest wrote them. */
export function rangesOf(needs: readonly string[] | Readonly<Record<string, string>>): Record<string, string> {
  if (!Array.isArray(needs)) return { ...(needs as Record<string, string>) }
  return Object.fromEntries(needs.map((name: string) => [name, '*']))
}

function cronProblem(cron: string, timezone: string): string | undefined {
  try {
    const job = new Cron(cron, { paused: true, timezone })
    const next = job.nextRun()
    job.stop()
    return next ? undefined : 'no time is ever met'
  } catch (thrown) {
    return (thrown instanceof Error ? thrown.message : 'cannot be read').slice(0, 200)
  }
}

function dataOf(value: unknown): Data {
  return isData(value) ? value : {}
}
