import { BulkheadError } from '../bridge/errors.ts'
import { within } from '../runtime/within.ts'

/** One event of a stream. */
export interface StreamEvent {
  /** By which a client that comes back says what it has seen. */
  id: string
  type: string
  data: unknown
}

interface Source {
  /** The key that reads it. */
  key: string
  /** What is new, oldest first; empty where nothing is. */
  read(): Promise<StreamEvent[]>
  /** Has `wake` called when there may be something new. @returns a function that ends it */
  watch(wake: () => void): () => void
  /** Whether the stream ends, as the host is stopping. */
  isOver(): boolean
  /** Aborted when nobody reads it any more. */
  left: AbortSignal | undefined
}

/** How long other hosts' news may take to be noticed. */
const LOOK_MS = 1_000
/** A proxy closes a connection on which nothing moves; the shortest usual time is 30 s. */
const HEARTBEAT_MS = 15_000
const RETRY_MS = 1_000
const MAX_STREAMS = 200
/** One key leaves room for others. */
const MAX_OF_ONE = 50
let streams = 0
const streamsOf = new Map<string, number>()

/**
 * A stream of events in the form of https://html.spec.whatwg.org/multipage/server-sent-events.html. It is read as fast
 * as the client takes it, and holds nothing for one that is slow.
 *
 * @throws BUSY past 200 streams, or 50 of one key
 */
export async function* eventStream({ key, read, watch, isOver, left }: Source): AsyncGenerator<string> {
  if (streams >= MAX_STREAMS) throw new BulkheadError('BUSY', `cannot stream, ${MAX_STREAMS} streams are open`)
  const own = streamsOf.get(key) ?? 0
  if (own >= MAX_OF_ONE) throw new BulkheadError('BUSY', `cannot stream, ${MAX_OF_ONE} streams of this key are open`)
  streams++
  streamsOf.set(key, own + 1)
  let woken = Promise.withResolvers<void>()
  const wake = () => woken.resolve()
  const unwatch = watch(wake)
  left?.addEventListener('abort', wake)
  try {
    yield `retry: ${RETRY_MS}\n\n`
    for (let quietMs = 0; !isOver() && !left?.aborted; ) {
      woken = Promise.withResolvers()
      const events = await read()
      for (const event of events) yield textOf(event)
      if (events.length > 0) {
        quietMs = 0
        continue
      }
      await within(LOOK_MS, woken.promise)
      quietMs += LOOK_MS
      if (quietMs < HEARTBEAT_MS) continue
      quietMs = 0
      yield ': still here\n\n'
    }
  } finally {
    streams--
    const others = (streamsOf.get(key) ?? 1) - 1
    if (others > 0) streamsOf.set(key, others)
    else streamsOf.delete(key)
    unwatch()
  }
}

/** JSON has no line end of its own in it, so that one line of data is enough. */
function textOf({ id, type, data }: StreamEvent): string {
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`
}
