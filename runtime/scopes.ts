import { Type } from 'typebox'
import type { Fault } from './yaml.ts'

/** The scopes of a configuration, outermost first; what is said nearer wins. */
export const SCOPES = ['global', 'group', 'class', 'tool'] as const
export type ScopeName = (typeof SCOPES)[number]

/** Where a configuration holds: everywhere (`id` is empty), or in one group, class or tool. */
export interface Scope {
  readonly scope: ScopeName
  readonly id: string
}

/** Of a hook's context, what says in which scopes a call is. */
export interface Place {
  readonly group?: { readonly id: string }
  readonly class?: { readonly id: string }
  readonly tool?: { readonly id: string }
}

export const GLOBAL: Scope = { scope: 'global', id: '' }

const allowed = (description: string) => Type.Optional(Type.Boolean({ default: true, description }))

/** The manifest's field that says in which scopes a module may be configured and switched on. */
export const scopeField = Type.Object(
  {
    allowGlobal: allowed('Everywhere; where not, it has a say only in groups, classes and tools that switch it on'),
    allowGroup: allowed('For one group'),
    allowClass: allowed('For one class'),
    allowTool: allowed('For one tool'),
  },
  { additionalProperties: false, default: {}, description: 'Where the module may be configured and switched on' },
)
export type AllowedScopes = Readonly<Record<keyof typeof scopeField.properties, boolean>>

/** What the schema cannot say of it. */
export function scopeFaults(scope: unknown): Fault[] {
  if (typeof scope !== 'object' || scope === null || !Object.values(FIELDS).every((field) => Reflect.get(scope, field) === false)) return []
  return [{ path: ['scope'], message: 'leaves no scope in which the module could be switched on' }]
}

const FIELDS = { global: 'allowGlobal', group: 'allowGroup', class: 'allowClass', tool: 'allowTool' } as const

/** Whether a module may be configured and switched on in such a scope. */
export function allowsScope(manifest: { readonly scope: AllowedScopes }, { scope }: Pick<Scope, 'scope'>): boolean {
  return manifest.scope[FIELDS[scope]]
}

/** The scopes that a call is in, outermost first. */
export function scopesOf({ group, class: learners, tool }: Place): Scope[] {
  const scopes = [GLOBAL]
  if (group) scopes.push({ scope: 'group', id: group.id })
  if (learners) scopes.push({ scope: 'class', id: learners.id })
  if (tool) scopes.push({ scope: 'tool', id: tool.id })
  return scopes
}

/** A scope as a key, and as people write it: `global`, `class c1`. */
export function scopeText({ scope, id }: Scope): string {
  return scope === 'global' ? scope : `${scope} ${id}`
}
