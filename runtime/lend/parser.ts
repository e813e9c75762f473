import { Worker } from 'node:worker_threads'
import { BulkheadError } from '../../bridge/errors.ts'
import type { Admitted } from './guard.ts'
import type { Question, Verdict } from './parser-thread.ts'

export interface Parser extends AsyncDisposable {
  /**
   * What a text would do; the answer for one seen lately is at hand.
   *
   * @throws INVALID where it is no statement for a module; BUSY where too many wait to be parsed
   */
  admit(module: string, schema: string, text: string): Promise<Admitted>
}

/** A parse takes a tenth of a millisecond, on a machine that has time. */
const PARSE_MS = 1_000
/** Comments within each other take time by their square. */
const COMMENTS = 100
/** `set (a, b) = (select …)` holds its source once for each column: commas times characters of a text that may do so. */
const COPIES = 4 * 1024 * 1024
/** A thread takes part of a second to be started anew, and all others wait for it: who is to blame waits longer. */
const PENALTY_MS = 5_000
const START_MS = 10_000
const SEEN = 2_000
const SEEN_LENGTH = 4 * 1024
/** Of one module: one at a time in the thread, the others wait here. */
const WAITING = 64

interface Ask {
  question: Question
  resolve(admitted: Admitted): void
  reject(error: BulkheadError): void
}

/**
 * PostgreSQL's parser in a thread of its own, which is ended and started anew where a text keeps it too long.
 * Modules take turns.
 */
export function openParser(projections: readonly string[], parseMs = PARSE_MS): Parser {
  const seen = new Map<string, Admitted>()
  const parsing = new Map<string, Promise<Admitted>>()
  const queues = new Map<string, Ask[]>()
  const penalties = new Map<string, number>()
  let worker: Worker | undefined
  let ready: Promise<void> = Promise.resolve()
  let working = false
  let closed = false

  const start = () => {
    const thread = new Worker(new URL('./parser-thread.ts', import.meta.url), {
      workerData: projections,
      env: {},
      execArgv: [],
      stdout: true, // what it has to say when it runs out of memory is nobody's
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    thread.unref()
    worker = thread
    ready = settle(thread, START_MS).then(() => {})
    ready.catch(() => {})
  }

  const stop = async () => {
    const thread = worker
    worker = undefined
    await thread?.terminate()
  }

  /** The next message of the thread. */
  const settle = (thread: Worker, ms: number) =>
    new Promise<Verdict>((resolve, reject) => {
      const end = () => {
        clearTimeout(timer)
        thread.off('message', got)
        thread.off('error', failed)
        thread.off('exit', failed)
      }
      const got = (verdict: Verdict) => {
        end()
        resolve(verdict)
      }
      const failed = () => {
        end()
        reject(new Error('the parser ended'))
      }
      const timer = setTimeout(failed, ms)
      thread.on('message', got)
      thread.on('error', failed)
      thread.on('exit', failed)
    })

  const judge = async (module: string, { question, resolve, reject }: Ask) => {
    try {
      if (worker === undefined) start()
      await ready
    } catch {
      await stop()
      return reject(new BulkheadError('UNAVAILABLE', 'cannot run the statement, the parser does not start'))
    }
    try {
      const thread = worker as Worker
      const answer = settle(thread, parseMs)
      thread.postMessage(question) // oxlint-disable-line unicorn/require-post-message-target-origin -- a thread has no origin
      const { admitted, refusal, broken } = await answer
      if (broken) await replace(module)
      if (admitted === undefined) return reject(refused(refusal ?? 'it cannot be parsed'))
      remember(question, admitted)
      resolve(admitted)
    } catch {
      await replace(module)
      reject(refused('it takes too long to parse'))
    }
  }

  const replace = async (module: string) => {
    penalties.set(module, performance.now() + PENALTY_MS)
    await stop()
    if (!closed) start()
  }

  const remember = ({ schema, text }: Ask['question'], admitted: Admitted) => {
    if (text.length > SEEN_LENGTH) return
    seen.set(keyOf(schema, text), admitted)
    if (seen.size <= SEEN) return
    const [oldest] = seen.keys()
    if (oldest !== undefined) seen.delete(oldest)
  }

  const work = async () => {
    if (working) return
    working = true
    for (let turn = queues.entries().next().value; turn !== undefined; turn = queues.entries().next().value) {
      const [module, queue] = turn
      const ask = queue.shift()
      queues.delete(module)
      if (queue.length > 0) queues.set(module, queue) // behind the others
      if (ask !== undefined) await judge(module, ask)
    }
    working = false
  }

  return {
    admit(module, schema, text) {
      const key = keyOf(schema, text)
      const known = seen.get(key)
      if (known !== undefined) return Promise.resolve(known)
      const asked = parsing.get(key)
      if (asked !== undefined) return asked
      if (closed) return Promise.reject(new BulkheadError('UNAVAILABLE', 'cannot run the statement, the host is stopping'))
      if ((penalties.get(module) ?? 0) > performance.now()) {
        return Promise.reject(new BulkheadError('BUSY', `cannot run the statement, one before it kept the parser busy; try again in ${PENALTY_MS / 1000} s`))
      }
      penalties.delete(module)
      if (copiesMuch(text)) return Promise.reject(refused('it assigns to too many columns at once'))
      if (text.split('/*', COMMENTS + 2).length > COMMENTS + 1) return Promise.reject(refused(`it has more than ${COMMENTS} comments`))
      const queue = queues.get(module) ?? []
      if (queue.length >= WAITING) {
        return Promise.reject(new BulkheadError('BUSY', `cannot run the statement, ${WAITING} others of the module wait to be parsed`))
      }
      queues.set(module, queue)
      const asking = new Promise<Admitted>((resolve, reject) => {
        queue.push({ question: { schema, text }, resolve, reject })
        void work()
      })
      parsing.set(key, asking)
      const forget = () => void parsing.delete(key)
      asking.then(forget, forget)
      return asking
    },
    async [Symbol.asyncDispose]() {
      closed = true
      await stop()
    },
  }
}

/** Between parenthesis and equals sign a comment may stand, in more forms than are worth telling apart. */
function copiesMuch(text: string): boolean {
  const may = /\)\s*=/.test(text) || (text.includes('=') && /--|\/\*/.test(text))
  return may && (text.split(',').length - 1) * text.length > COPIES
}

function keyOf(schema: string, text: string): string {
  return `${schema}\0${text}`
}

function refused(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot run the statement, ${why}`)
}
