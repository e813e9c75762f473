import type { Messages } from './messages.ts'
import type { Data, HookContext, HookResult } from './context.ts'

export { assert, AssertionError, assertEquals, assertRejects, assertThrows } from './assert.ts'

/** A record as `ctx.emit` was given it. @example const { type, data }: Extraction = context._extractions[0] */
export interface Extraction {
  type: string
  data: Data
}

/** A line as `ctx.log` was given it. @example context._logs.map((line: LogLine) => line.message) */
export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
  data?: Data
}

/** A context that keeps what the module emitted and logged. @example const ctx: MockContext = createMockContext() */
export type MockContext<Config extends object = Data> = HookContext & {
  config: Config
  _extractions: Extraction[]
  _logs: LogLine[]
}

/** What a test says of its context: any part of the call's data, the configuration, and stand-ins for parts of the host. */
type Overrides<Config extends object> = Partial<Omit<HookContext, 'config'>> & { config?: Config }

/**
 * A context of a first chat message by a student, which is also what a job or a message is given; the overrides replace
 * whole fields. Of the host it has emit and log; the rest a test brings along.
 *
 * @example createMockContext({ message: { id: 'm1', role: 'user', content: 'hi', seq: 1 }, config: module.config })
 */
export function createMockContext<Config extends object = Data>(overrides: Overrides<Config> = {}): MockContext<Config> {
  const extractions: Extraction[] = []
  const logs: LogLine[] = []
  const logAt = (level: LogLine['level']) => (message: string, data?: Data) => {
    logs.push(data ? { level, message, data } : { level, message })
  }
  const context: MockContext = {
    requestId: 'test-request',
    hook: 'chat:before_ai',
    timestamp: new Date(),
    user: { id: 'user-1', email: 'test@test.com', name: 'Test', role: 'student' },
    tool: { id: 'tool-1', name: 'Test Tool', type: 'chat', definition: { behavior: 'Test', model: 'test' } },
    session: { id: 'session-1', state: 'active', startedAt: new Date(), messageCount: 1 },
    message: { id: 'msg-1', role: 'user', content: 'Hello', seq: 1 },
    emit: async (type, data) => {
      extractions.push({ type, data })
    },
    kv: absent('kv'),
    db: absent('db'),
    ...messagesWithout(),
    config: {},
    env: { get: () => undefined },
    log: { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    _extractions: extractions,
    _logs: logs,
  }
  return Object.assign(context, overrides) as MockContext<Config>
}

/** What a context without a host has no part of; a test that needs it brings its own. */
function absent<Part extends object>(name: string): Part {
  return new Proxy({} as Part, {
    get: (_target, method) => () => Promise.reject(new Error(`cannot call ctx.${name}.${String(method)}, the mock context has no host`)),
  })
}

function messagesWithout(): Messages {
  const refuse = () => Promise.reject(new Error('cannot reach another module, the mock context has no host'))
  return { call: refuse, publish: refuse, getService: (name) => absent(`getService(${name})`) }
}

/** What a test can call of a module: anything that `defineModule` made. */
interface Testable<Config extends object> {
  config: Config
  hooks?: object
  handle?(hook: string, ctx: HookContext): unknown
}

/**
 * Calls one hook of a module in this process, without an isolate. The module's own configuration holds but for what is
 * given, and is the same again afterwards.
 *
 * @returns the verdict and what was emitted, the verdict's own `extractions` included
 * @example const { result } = await testModule(module, 'chat:before_ai', {}, { enabled: false })
 */
export async function testModule<Config extends object>(
  module: Testable<Config>,
  hook: string,
  ctx: Partial<HookContext> = {},
  config: Partial<Config> = {},
): Promise<{ result: HookResult; extractions: Extraction[]; logs: LogLine[] }> {
  const own = module.config
  module.config = { enabled: true, ...own, ...config }
  try {
    const context = createMockContext({ ...ctx, hook, config: module.config })
    const handler = (module.hooks as Record<string, (ctx: HookContext) => unknown> | undefined)?.[hook]
    const verdict = await (handler ? handler(context) : module.handle?.(hook, context))
    const result = (verdict ?? { action: 'continue' }) as HookResult
    return { result, extractions: [...context._extractions, ...(result.extractions ?? [])], logs: context._logs }
  } finally {
    module.config = own
  }
}
