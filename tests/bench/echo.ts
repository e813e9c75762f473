import { Worker } from 'node:worker_threads'
import type { Context } from '../../runtime/pipeline.ts'
import type { Written } from './scratch.ts'

// The same answer from a module and from a worker: a verdict that carries nearly the whole context back.
const ANSWER = `return { action: 'continue', modifications: { message: ctx.message, output: { messages: ctx.messages } } }`

export const ECHO = { name: 'echo', handler: ANSWER, limits: { maxConcurrency: 64 } } satisfies Written

/** Source of a worker that says that it is ready, then answers every context. */
export const ECHO_WORKER = `
  const { parentPort } = require('node:worker_threads')
  const handle = async (ctx) => { ${ANSWER} }
  parentPort.on('message', async ({ id, context }) => parentPort.postMessage({ id, verdict: await handle(context) }))
  parentPort.postMessage('ready')`

export interface EchoWorker extends AsyncDisposable {
  call(context: Context): Promise<unknown>
}

/** What Bulkhead is compared with: a worker thread, to which a context goes by structured clone. */
export async function openEchoWorker(): Promise<EchoWorker> {
  const worker = new Worker(ECHO_WORKER, { eval: true })
  const pending = new Map<number, (verdict: unknown) => void>()
  let lastId = 0
  await new Promise((ready) => worker.once('message', ready))
  worker.on('message', ({ id, verdict }: { id: number; verdict: unknown }) => {
    pending.get(id)?.(verdict)
    pending.delete(id)
  })
  return {
    call(context) {
      const id = ++lastId
      const { promise, resolve } = Promise.withResolvers<unknown>()
      pending.set(id, resolve)
      worker.postMessage({ id, context }, [])
      return promise
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate()
    },
  }
}
