import type { Operation } from './operation.ts'

/** A set of scopes with a name. */
export interface Role {
  name: string
  description: string
  scopes: readonly string[]
}

/**
 * The roles of every installation. Operators add others; these cannot be changed, so that a name means the same
 * everywhere.
 */
export const BUILT_IN: readonly Role[] = [
  { name: 'admin', description: 'may do everything', scopes: ['*'] },
  {
    name: 'operator',
    description: 'runs the installation: modules, configuration, grants and data, but neither keys nor SQL',
    scopes: [
      'modules:*', 'config:*', 'permissions:*', 'hooks:*', 'events:*', 'extractions:*', 'logs:*', 'data:*', 'system:*',
      'progress:*', 'api:*', 'database:read', 'auth:read',
    ],
  },
  {
    name: 'developer',
    description: 'installs, configures and watches modules, and calls hooks; grants nothing and sees no records',
    scopes: ['modules:*', 'config:*', 'hooks:*', 'permissions:read', 'events:read', 'logs:read', 'system:read', 'progress:*', 'api:read'],
  },
  {
    name: 'viewer',
    description: 'sees how the installation does, and changes nothing',
    scopes: ['modules:read', 'config:read', 'permissions:read', 'hooks:read', 'events:read', 'logs:read', 'system:read', 'progress:read', 'api:read'],
  },
  {
    name: 'app',
    description: 'the embedding application: calls hooks and the routes of modules, and reads what modules kept',
    scopes: ['hooks:execute', 'hooks:read', 'modules:execute', 'extractions:read'],
  },
]

/** What a scope may look like: `*`, or a domain and what may be done in it, either of which may be `*`. */
export const SCOPE_PATTERN = '^(\\*|(\\*|[a-z]+):(\\*|[a-z]+(:[a-z]+)*))$'

/** Own scopes and those of the built-in roles; those of other roles come with the key. */
export function scopesOf({ scopes, roles }: { scopes: readonly string[]; roles: readonly string[] }): string[] {
  return [...scopes, ...BUILT_IN.filter(({ name }) => roles.includes(name)).flatMap((role) => role.scopes)]
}

/**
 * Whether scopes hold an operation: by its scope, by its own name, or by a pattern for either.
 *
 * @example allows(['modules:*'], { name: 'modules:reload', scope: 'modules:write' }) // true
 */
export function allows(scopes: readonly string[], { name, scope }: Pick<Operation, 'name' | 'scope'>): boolean {
  return scopes.some((held) => covers(held, scope) || covers(held, name))
}

/**
 * Those of the wanted scopes that nobody who holds these may give away.
 *
 * @example beyond(['modules:*'], ['modules:read', '*:read']) // ['*:read']
 */
export function beyond(held: readonly string[], wanted: readonly string[]): string[] {
  return wanted.filter((scope) => !held.some((own) => covers(own, scope)))
}

/** Whether whoever holds the one holds the other, itself a pattern or not. */
function covers(held: string, wanted: string): boolean {
  if (held === '*' || held === wanted) return true
  const [domain, action] = parted(held)
  const [wantedDomain, wantedAction] = parted(wanted)
  if (wantedAction === undefined) return false
  return (domain === '*' || domain === wantedDomain) && (action === '*' || action === wantedAction)
}

/** The domain, and what may be done in it: of config:validate:all, `validate:all`. */
function parted(scope: string): [domain: string, action: string | undefined] {
  const at = scope.indexOf(':')
  return at === -1 ? [scope, undefined] : [scope.slice(0, at), scope.slice(at + 1)]
}
