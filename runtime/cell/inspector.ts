import ivm from 'isolated-vm'
import { FRAME_BYTES } from '../protocol.ts'

// Messages of the Chrome DevTools protocol, as JSON: https://chromedevtools.github.io/devtools-protocol/v8/
// Those of a debugger have ids from 0; the cell's own have others, and nobody outside hears the answers.
const WAKE = '{"id":-1,"method":"Bulkhead.wake"}'
const FIRST_OWN_ID = -2
/** The rest of a frame is its head. */
const MAX_MESSAGE_BYTES = FRAME_BYTES.inspected - 64 * 1024
const WAKE_MS = { first: 10, most: 1_000 }

/** V8's inspector of one isolate, which may read and change all that is in it. */
export interface Inspector {
  /** Hands over a message of a debugger; what V8 says comes to whoever listens. */
  dispatch(message: string): void
  listen(onMessage: (message: string) => void): void
  /** @throws what V8 refuses, as an error of its words */
  ask(method: string, params?: object): Promise<unknown>
  /**
   * Has to precede the disposal of the isolate, which otherwise waits for itself without end.
   *
   * @returns whether it may be disposed of: not while a thread in it pauses, which would be waited for. Such a thread goes
   * with its cell.
   */
  close(): boolean
}

/**
 * Opens V8's inspector in an isolate made with `inspector: true`. Whoever may talk to it owns the isolate, so that it is
 * for a developer's own machine: no cell of a server has one.
 */
export function openInspector(isolate: ivm.Isolate): Inspector {
  const session = openSession(isolate)
  const asked = new Map<number, PromiseWithResolvers<unknown>>()
  let onMessage = (_message: string) => {}
  let nextId = FIRST_OWN_ID
  let unanswered = 0
  let waking: NodeJS.Timeout | undefined
  let closed = false
  let paused = false

  session.onNotification = (message) => {
    if (message.startsWith('{"method":"Debugger.paused"')) paused = true
    else if (message.startsWith('{"method":"Debugger.resumed"')) paused = false
    onMessage(message)
  }
  session.onResponse = (id, message) => {
    if (id === -1) return
    unanswered--
    const own = asked.get(id)
    if (!own) return onMessage(message)
    asked.delete(id)
    const { result, error } = JSON.parse(message) as { result?: unknown; error?: { message: string } }
    if (error) own.reject(new Error(`V8's inspector: ${error.message}`))
    else own.resolve(result)
  }

  function dispatch(message: string): void {
    if (closed) return
    unanswered++
    session.dispatchProtocolMessage(message)
    clearTimeout(waking)
    wakeIn(WAKE_MS.first)
  }

  /** A thread that pauses misses what is said while it reads something else: isolated-vm tells it once, and does not look. */
  function wakeIn(ms: number): void {
    waking = setTimeout(() => {
      if (closed || unanswered === 0) return
      session.dispatchProtocolMessage(WAKE)
      wakeIn(Math.min(ms * 2, WAKE_MS.most))
    }, ms)
  }

  return {
    dispatch,
    listen: (listener) => void (onMessage = listener),
    ask(method, params = {}) {
      const answer = Promise.withResolvers<unknown>()
      const id = nextId--
      asked.set(id, answer)
      dispatch(JSON.stringify({ id, method, params }))
      return answer.promise
    },
    close() {
      if (closed) return !paused
      closed = true
      clearTimeout(waking)
      for (const { reject } of asked.values()) reject(new Error('the isolate is gone'))
      if (!isolate.isDisposed && !paused) session.dispose()
      return !paused
    },
  }
}

/**
 * isolated-vm (7.0.1) connects a session without entering the isolate, which V8 (14.6) answers with the end of the
 * process: `Check failed: IsCreationThread()`. Asked for from within, by a function of ours that the isolate calls while
 * this very thread is in it, the isolate is this thread's.
 */
function openSession(isolate: ivm.Isolate): ivm.InspectorSession {
  let session: ivm.InspectorSession | undefined
  const context = isolate.createContextSync()
  const open = new ivm.Callback(() => void (session = isolate.createInspectorSession()), { sync: true })
  context.evalClosureSync('$0()', [open])
  context.release()
  if (!session) throw new Error('V8 has no inspector for an isolate')
  return session
}

/** A message as it may be told: an answer that is too long for the wire is answered by that. */
export function fittingMessage(message: string): string {
  if (Buffer.byteLength(message) <= MAX_MESSAGE_BYTES) return message
  const { id } = JSON.parse(message) as { id?: number }
  return JSON.stringify({ ...(id === undefined ? { method: 'Bulkhead.tooLong' } : { id }), error: { code: -32_000, message: `the answer is longer than ${MAX_MESSAGE_BYTES} bytes` } })
}

/** Has V8 count what runs from now on, block by block. */
export async function startCoverage(inspector: Inspector): Promise<void> {
  await inspector.ask('Profiler.enable')
  await inspector.ask('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
}

interface ScriptCoverage {
  url: string
  functions: Array<{ functionName: string; ranges: Array<{ startOffset: number; endOffset: number; count: number }> }>
}

/**
 * What V8 has counted in one script, as JSON: for each function an array of its name and of start, end and count of each
 * range. A module may give a script of its own that name, which comes later and is not looked at.
 */
export async function takeCoverage(inspector: Inspector, url: string): Promise<string> {
  const { result } = (await inspector.ask('Profiler.takePreciseCoverage')) as { result: ScriptCoverage[] }
  const functions = result.find((script) => script.url === url)?.functions ?? []
  return JSON.stringify(functions.map(({ functionName, ranges }) => [functionName, ...ranges.flatMap(({ startOffset, endOffset, count }) => [startOffset, endOffset, count])]))
}
