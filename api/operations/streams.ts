import { Type } from 'typebox'
import { BulkheadError } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import { readCursor, writeCursor } from '../../runtime/store/pages.ts'
import { eventStream } from '../event-stream.ts'
import { operation } from '../operation.ts'

const Stream = Type.Unsafe<AsyncIterable<string>>({ type: 'string', contentMediaType: 'text/event-stream' })
const ROWS = 200

export const events = operation({
  name: 'system:events',
  http: 'GET /v1/events',
  scope: 'system:read',
  summary: 'Stream what happens to modules, cells and decisions, from now on or from where it was left',
  description:
    'Server-sent events whose `data` is JSON. A client that comes back with `Last-Event-ID`, or `after` in the query, is told what it missed, of up to seven days.',
  input: Type.Object({
    module: Type.Optional(Label),
    type: Type.Optional(Type.String({ pattern: '^[a-z]+:[a-z_]+$', maxLength: 100, expects: 'a kind of event, such as module:ready' })),
    after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  }),
  output: Stream,
  errors: ['BUSY'],
  example: { type: 'module:ready' },
  async run({ runtime }, { module, type, after }, { lastEventId, caller, left: gone }) {
    const { happenings } = runtime
    // A client that connects again sends the query of its first request, and where it is by now.
    let place = lastEventId === undefined ? (after ?? (await happenings.last())) : numbered(lastEventId)
    return eventStream({
      key: caller.id,
      async read() {
        const rows = await happenings.after(place, { module, type, limit: ROWS })
        place = rows.at(-1)?.id ?? place
        return rows.map(({ id, data, ...rest }) => ({ id: String(id), type: rest.type, data: { ...data, ...rest } }))
      },
      watch: happenings.onNew,
      isOver: () => !runtime.ready(),
      left: gone,
    })
  },
})

export const logs = operation({
  name: 'logs:stream',
  http: 'GET /v1/logs/stream',
  scope: 'logs:read',
  summary: 'Stream what modules log, of a level and the more severe ones, from now on or from where it was left',
  input: Type.Object({
    module: Type.Optional(Label),
    level: Type.Optional(Type.Enum(['debug', 'info', 'warn', 'error'], { noun: 'level' })),
    after: Type.Optional(Type.String({ maxLength: 500 })),
  }),
  output: Stream,
  errors: ['BUSY'],
  example: { level: 'warn' },
  run({ runtime }, { module, level, after }, { lastEventId, caller, left: gone }) {
    const left = lastEventId ?? after
    const read = runtime.tailLogs({ module, level, after: left === undefined ? undefined : readCursor(left) })
    return eventStream({
      key: caller.id,
      read: async () => (await read()).map((line) => ({ id: writeCursor(line), type: 'log', data: line })),
      watch: () => () => {},
      isOver: () => !runtime.ready(),
      left: gone,
    })
  },
})

function numbered(lastEventId: string): number {
  if (/^\d{1,15}$/.test(lastEventId)) return Number(lastEventId)
  throw new BulkheadError('BAD_REQUEST', 'cannot go on from that Last-Event-ID: it is not one that an event came with')
}
