/**
 * What a manifest may come to declare and nothing gives effect to yet. It is refused by name instead of being ignored;
 * whoever gives one its effect deletes it here.
 */
export const NOT_YET = {
  fields: [
    'singleton',
    'ui',
    'cli',
    'database',
    'mcp',
    'tools',
    'prompts',
    'resources',
    'state',
  ],
  permissions: ['sessions:read'],
} as const satisfies Record<string, readonly string[]>

/** Whether a word is one of those. */
export function isNotYet(kind: keyof typeof NOT_YET, word: string): boolean {
  return (NOT_YET[kind] as readonly string[]).includes(word)
}
