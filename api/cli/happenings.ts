import { setTimeout as delay } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { type Client, Refused, type Request } from './client.ts'

/** One event of a stream, its data parsed where it is JSON. */
export interface Happening {
  id: string | undefined
  event: string | undefined
  data: unknown
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 30_000

/**
 * The events of a stream as they happen, for ever. Where the connection is lost it is made again, and the server asked
 * to go on after the last event that came (`Last-Event-ID`), so that none is missed or told twice.
 *
 * @param note is told when the connection is lost, and when it is there again
 * @throws Refused where the first connection fails, or a later one for a reason that will not pass
 */
export async function* happenings(client: Client, request: Request, signal: AbortSignal, note?: (text: string) => void): AsyncGenerator<Happening> {
  let lastId: string | undefined
  let firstWaitMs = FIRST_WAIT_MS
  let lost = 0
  for (let connected = false; ; ) {
    try {
      const headers = { ...request.headers, accept: 'text/event-stream', ...(lastId !== undefined && { 'last-event-id': lastId }) }
      const response = await client.send({ ...request, path: lastId === undefined ? request.path : withoutStart(request.path), headers })
      if (lost > 0) note?.('connected again')
      connected = true
      lost = 0
      for await (const message of messagesOf(response, (ms) => (firstWaitMs = ms))) {
        lastId = message.id ?? lastId
        yield { id: message.id, event: message.event, data: dataOf(message) }
      }
    } catch (thrown) {
      if (signal.aborted || !connected || (thrown instanceof Refused && !passes(thrown))) throw thrown
    }
    if (signal.aborted) return
    if (lost === 0) note?.('the connection was lost, connecting again')
    await delay(Math.min(firstWaitMs * 2 ** lost++, LONGEST_WAIT_MS), undefined, { signal })
  }
}

/** Where to begin was said for the first time; from then on the last event says it. */
function withoutStart(path: string): string {
  const [at = '', query] = path.split('?')
  const rest = new URLSearchParams(query)
  rest.delete('after')
  return rest.size === 0 ? at : `${at}?${rest}`
}

/** Too many requests, a server that is stopping or not there: worth another try. */
function passes({ status }: Refused): boolean {
  return status === 0 || status === 429 || status >= 500
}

async function* messagesOf(response: Response, onRetry: (ms: number) => void): AsyncGenerator<EventSourceMessage> {
  const arrived: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (message) => void arrived.push(message), onRetry })
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
    yield* arrived.splice(0)
  }
}

function dataOf({ data }: EventSourceMessage): unknown {
  try {
    return JSON.parse(data) as unknown
  } catch {
    return data
  }
}
