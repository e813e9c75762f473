import type { Messages } from '../sdk/messages.ts'
import { refusal } from './errors.guest.ts'
import { parse, PromiseOf, ProxyOf, stringify, whenSettled } from './primordials.guest.ts'

/** `ctx.call`, `ctx.getService` and `ctx.publish`: one envelope, version 1, for each. */
export function openMessages(ask: (capability: string, args: string) => Promise<string>): Messages {
  const call = (module: string, method: string, args: unknown[]): Promise<unknown> => {
    if (typeof module !== 'string' || typeof method !== 'string') throw refusal('INVALID', 'cannot call, module and method are names')
    const answer = ask('call', '{"v":1,"module":' + stringify(module) + ',"method":' + stringify(method) + ',"args":' + stringify(args) + '}')
    return new PromiseOf((resolve, reject) => whenSettled(answer, (text) => resolve(parse(text as string)), reject))
  }
  return {
    call: (module, method, ...args) => call(module, method, args),
    getService(module) {
      return new ProxyOf(
        {},
        {
          // A promise looks for `then` in what it is resolved with: a service is none.
          get: (_, method) => (typeof method === 'string' && method !== 'then' ? (...args: unknown[]) => call(module, method, args) : undefined),
        },
      ) as never
    },
    publish(topic, data) {
      if (typeof topic !== 'string') throw refusal('INVALID', 'cannot publish, the topic is a name')
      const answer = ask('publish', '{"v":1,"topic":' + stringify(topic) + ',"data":' + (stringify(data) ?? 'null') + '}')
      return new PromiseOf((resolve, reject) => whenSettled(answer, (text) => resolve(parse(text as string) as number), reject))
    },
  }
}
