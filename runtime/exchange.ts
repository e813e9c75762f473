import { randomUUID } from 'node:crypto'
import { BulkheadError } from '../bridge/errors.ts'
import { type Exchange, topicFits } from '../bridge/messages.host.ts'
import type { Caller } from '../bridge/capabilities.ts'
import type { Tell } from './events.ts'
import type { Subject } from './instance.ts'
import type { Module } from './modules.ts'
import { didYouMean } from './nearest.ts'

/** Characters of JSON that may wait for one subscriber; a message that would pass it is not told, and not counted as told. */
const MAX_WAITING_LENGTH = 2 * 1024 * 1024

/** Carries messages between modules: who asked, on whose behalf and until when goes with them, and the host alone says so. */
export function openExchange(find: (name: string) => Module | undefined, all: () => Iterable<Module>, tell: Tell): Exchange {
  const waitingOf = new Map<string, number>()
  return {
    async call(caller, name, method, args) {
      const supervisor = find(name)?.supervisor
      if (!supervisor) throw new BulkheadError('NOT_FOUND', `cannot call ${name}, there is no such module`)
      const offered = supervisor.instance?.handlers.service
      if (offered && !offered.includes(method)) {
        throw new BulkheadError('NOT_FOUND', `cannot call ${name}.${method}, it offers no such function${didYouMean(method, offered)}`)
      }
      const leftMs = Math.max(1, caller.deadline - performance.now())
      const result = await supervisor.invoke({ target: 'service', name: method, args }, leftMs, subjectOf(caller, `call:${method}`))
      return JSON.stringify(result ?? null)
    },
    publish(caller, topic, data) {
      const message = { v: 1, id: randomUUID(), topic, from: caller.module, at: new Date().toISOString(), data }
      const length = JSON.stringify(message).length
      let told = 0
      for (const { manifest, supervisor } of all()) {
        const pattern = manifest?.subscribe.find((wanted) => topicFits(wanted, topic))
        if (pattern === undefined || supervisor.name === caller.module || supervisor.dismissed) continue
        const waiting = waitingOf.get(supervisor.name) ?? 0
        if (waiting + length > MAX_WAITING_LENGTH) continue
        waitingOf.set(supervisor.name, waiting + length)
        told++
        const read = () => waitingOf.set(supervisor.name, (waitingOf.get(supervisor.name) ?? length) - length)
        const subject = subjectOf(caller, `topic:${topic}`)
        supervisor.invoke({ target: 'message', name: pattern, args: [message] }, undefined, subject).finally(read).catch((thrown: unknown) => {
          const { code, message: why } = thrown instanceof BulkheadError ? thrown : { code: 'INTERNAL', message: 'internal error' }
          tell({ type: 'module:hook_error', module: supervisor.name, hook: subject.hook, code, message: why })
        })
      }
      return told
    },
  }
}

function subjectOf({ chain, module, session, user, run }: Caller, hook: string): Subject {
  return {
    hook,
    chain: [...chain, module],
    ...(session === undefined ? {} : { session }),
    ...(user === undefined ? {} : { user }),
    ...(run === undefined ? {} : { run }),
  }
}
