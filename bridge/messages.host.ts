import type { Capability, Caller } from './capabilities.ts'
import { readArgs } from './capabilities.ts'
import { EXECUTION_CAPS } from './caps.ts'
import { BulkheadError } from './errors.ts'

/** How deep calls between modules may lead to calls: each waits for the next, and all for the first one's deadline. */
const MAX_CHAIN = 8
const VERSION = 1

/** Those who carry messages from one module to another. */
export interface Exchange {
  /** Calls a function of a module's service. Resolves with its result as JSON. */
  call(caller: Caller, module: string, method: string, args: unknown[]): Promise<string>
  /** Tells those who subscribe. Resolves with their number. */
  publish(caller: Caller, topic: string, data: unknown): number
}

/** `ctx.call`: arguments `{v, module, method, args}`, behind `module:<name>`. */
export function callCapability(exchange: Pick<Exchange, 'call'>): Capability {
  return {
    perExecution: EXECUTION_CAPS.calls,
    argsLength: EXECUTION_CAPS.askBytes,
    async run(caller, text) {
      const { v, module, method, args } = readArgs('call', text)
      if (v !== VERSION || typeof module !== 'string' || typeof method !== 'string' || !Array.isArray(args)) {
        throw new BulkheadError('INVALID', 'cannot call, the envelope is {v: 1, module, method, args}')
      }
      demand(caller, `module:${module}`)
      const chain = [...caller.chain, caller.module]
      if (chain.includes(module)) {
        throw new BulkheadError('CALL_LIMIT', `cannot call ${module}, it waits for this call: ${[...chain, module].join(' → ')}`)
      }
      if (chain.length >= MAX_CHAIN) {
        const reached = { limit: 'chain', value: MAX_CHAIN, used: chain.length + 1 }
        throw new BulkheadError('CALL_LIMIT', `cannot call ${module}, calls may lead to calls ${MAX_CHAIN} deep`, reached)
      }
      return exchange.call(caller, module, method, args)
    },
  }
}

/** `ctx.publish`: arguments `{v, topic, data}`, behind a `topic:<pattern>` that fits. */
export function publishCapability(exchange: Pick<Exchange, 'publish'>): Capability {
  return {
    perExecution: EXECUTION_CAPS.emits,
    argsLength: EXECUTION_CAPS.askBytes,
    async run(caller, text) {
      const { v, topic, data } = readArgs('publish', text)
      if (v !== VERSION || typeof topic !== 'string' || !TOPIC.test(topic)) {
        throw new BulkheadError('INVALID', 'cannot publish, a topic is words of letters, digits and "-", joined by "."')
      }
      const patterns = [...caller.permissions].filter((permission) => permission.startsWith('topic:'))
      if (!patterns.some((pattern) => topicFits(pattern.slice('topic:'.length), topic))) demand(caller, `topic:${topic}`)
      if (caller.chain.length >= MAX_CHAIN) throw new BulkheadError('CALL_LIMIT', `cannot publish, messages may lead to messages ${MAX_CHAIN} deep`)
      return String(exchange.publish(caller, topic, data))
    },
  }
}

const TOPIC = /^[\w-]{1,63}(\.[\w-]{1,63}){0,7}$/

/** Whether a topic is one of a pattern: `*` stands for one word, a last `**` for all that follow. */
export function topicFits(pattern: string, topic: string): boolean {
  const words = topic.split('.')
  const wanted = pattern.split('.')
  const open = wanted.at(-1) === '**'
  if (open ? words.length < wanted.length : words.length !== wanted.length) return false
  return wanted.every((word, n) => word === '**' || word === '*' || word === words[n])
}

function demand(caller: Caller, permission: string): void {
  if (caller.permissions.has(permission)) return
  caller.violated(permission)
  throw new BulkheadError('CAPABILITY_DENIED', `cannot do this, the module has not been granted "${permission}"`)
}
