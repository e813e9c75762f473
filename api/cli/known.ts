import catalogue from './catalogue.json' with { type: 'json' }
import type { Declaration } from './declaration.ts'

/** Lists of what goes on happening, and the streams of the same. */
const FOLLOWED: Readonly<Record<string, string>> = { 'logs:list': 'logs:stream', 'system:logs': 'system:events' }

const declared = (catalogue as unknown as readonly Declaration[]).map((one, _, all) => {
  const stream = all.find(({ name }) => name === FOLLOWED[one.name])
  return stream ? { ...one, follows: stream.name } : one
})

/** What another list of commands calls what is here; `extension` is what it calls a module. */
const ALIASES: Readonly<Record<string, string>> = {
  'extension:create': 'module:create',
  'extension:validate': 'module:validate',
  'extension:info': 'modules:get',
  'extension:list': 'modules:list',
  'extension:install': 'modules:install',
  'extension:remove': 'modules:remove',
  'modules:info': 'modules:get',
  'modules:create': 'module:create',
  'modules:validate': 'module:validate',
  'modules:config': 'config:get',
}

/** The operations that commands are made of, those of the table and those that the command line puts together. */
export const DECLARATIONS: readonly Declaration[] = [...declared, ...ofModules()].toSorted((a, b) => (a.name < b.name ? -1 : 1))

/** The command that a name stands for. */
export function aliasOf(name: string): string {
  return DECLARATIONS.some((one) => one.name === name) ? name : (ALIASES[name] ?? name)
}

/** The log of one module is what `logs:list` and `logs:stream` tell of it. */
function ofModules(): Declaration[] {
  const list = declared.find(({ name }) => name === 'logs:list')
  if (!list || declared.some(({ name }) => name === 'modules:logs')) return []
  const required = ['module', ...(list.input.required ?? [])]
  return [{ ...list, name: 'modules:logs', summary: 'List what a module logged', input: { ...list.input, required }, examples: [{ input: { module: 'pii-filter', level: 'warn' } }] }]
}
