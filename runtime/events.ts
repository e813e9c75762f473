/** What happens to modules and cells, for those who watch. */
export type RuntimeEvent =
  | { type: 'module:starting'; module: string; version: string }
  | { type: 'module:ready'; module: string; version: string }
  | { type: 'module:error'; module: string; code: string; message: string }
  | { type: 'module:restarting'; module: string; delayMs: number; failures: number; apart: boolean }
  | { type: 'module:idle'; module: string; version: string }
  | { type: 'module:held'; module: string; state: 'waiting' | 'error'; message: string }
  | { type: 'module:disabled'; module: string; reason: string }
  | { type: 'module:enabled'; module: string }
  | { type: 'module:upgrade_pending'; module: string; version: string; permissions: readonly string[] }
  | { type: 'module:violation'; module: string; version: string; permission: string; hook: string; execution: string; count: number }
  | { type: 'module:denied'; module: string; reason: string }
  | { type: 'module:stopped'; module: string }
  | { type: 'module:hook_error'; module: string; hook: string; code: string; message: string }
  | { type: 'event:dead'; module: string; hook: string; event: string; attempts: number; code: string }
  | { type: 'cell:lost'; pid: number; reason: string; culprits: readonly string[]; stderr?: string }
  | { type: 'cell:violation'; pid: number; violation: string; modules: readonly string[] }

export type Tell = (event: RuntimeEvent) => void

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const LEVELS: Record<RuntimeEvent['type'], keyof Log> = {
  'module:starting': 'debug',
  'module:ready': 'info',
  'module:error': 'error',
  'module:restarting': 'warn',
  'module:idle': 'debug',
  'module:held': 'warn',
  'module:disabled': 'warn',
  'module:enabled': 'info',
  'module:upgrade_pending': 'warn',
  'module:violation': 'warn',
  'module:denied': 'error',
  'module:stopped': 'debug',
  'module:hook_error': 'warn',
  'event:dead': 'error',
  'cell:lost': 'warn',
  'cell:violation': 'error',
}

export function logEvent(log: Log, { type, ...fields }: RuntimeEvent): void {
  log[LEVELS[type]](fields, type)
}
