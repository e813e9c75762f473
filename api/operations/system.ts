import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { HAPPENING_SORTS } from '../../runtime/store/happenings.ts'
import { operation } from '../operation.ts'
import { Moment, pageOf, pageQuery, paging, sortedPaging, WIDE } from './page.ts'

const Count = Type.Integer({ minimum: 0 })

export const status = operation({
  name: 'system:status',
  http: 'GET /v1/system',
  scope: 'system:read',
  summary: 'Show versions, uptime, memory, and what each cell holds',
  description: 'It is about the host that answers; others on the same database have cells of their own.',
  input: Type.Object({}),
  output: Type.Object({
    version: Type.String(),
    node: Type.String(),
    pid: Count,
    uptimeS: Count,
    cores: Count,
    memoryMB: Type.Object({ resident: Type.Number(), heap: Type.Number() }),
    cpuS: Type.Number(),
    database: Type.String(),
    modules: Type.Record(Type.String(), Count),
    cells: Type.Array(
      Type.Object({ pid: Count, trust: Type.String(), modules: Type.Array(Type.String()), executions: Count, memoryMB: Type.Number(), loads: Count }),
    ),
  }),
  example: {},
  run: ({ runtime }) => runtime.system.status(),
})

export const health = operation({
  name: 'system:health',
  http: 'GET /v1/system/health',
  scope: 'system:read',
  summary: 'Look at the database, the cells, the modules and the disk, and tell what is wrong',
  input: Type.Object({}),
  output: Type.Object({
    status: Type.Enum(['ok', 'degraded', 'failing']),
    parts: Type.Array(
      Type.Object({ part: Type.String(), status: Type.Enum(['ok', 'degraded', 'failing']), message: Type.String(), tookMs: Type.Number() }),
    ),
  }),
  example: {},
  async run({ runtime }) {
    const parts = await runtime.system.health()
    const worst = (['failing', 'degraded'] as const).find((one) => parts.some((part) => part.status === one))
    return { status: worst ?? ('ok' as const), parts }
  },
})

export const restart = operation({
  name: 'system:restart',
  http: 'POST /v1/system/restart',
  scope: 'system:write',
  summary: 'Put other processes in the place of the cells, one by one, without losing a call',
  description: 'Each module is brought up in another cell before it leaves the old one. The host itself goes on.',
  long: true,
  input: Type.Object({}),
  output: Type.Object({ renewed: Count, left: Type.Array(Count) }),
  example: {},
  run: ({ runtime }, _, { report }) => runtime.system.restart(report),
})

const Happening = Type.Object({
  id: Count,
  at: Moment,
  host: Type.String(),
  type: Type.String(),
  module: Type.Union([Type.String(), Type.Null()]),
  data: Type.Unknown(),
})
const Kind = Type.String({ pattern: '^[a-z]+:[a-z_]+$', maxLength: 100, expects: 'a kind of event, such as module:ready' })

export const logs = operation({
  name: 'system:logs',
  http: 'GET /v1/system/logs',
  scope: 'system:read',
  summary: 'List what happened to modules, cells and decisions in the last seven days, newest first',
  input: Type.Object({ module: Type.Optional(Label), type: Type.Optional(Kind), since: paging.since, ...sortedPaging(HAPPENING_SORTS, 'type, module and the data as JSON') }),
  output: pageOf(Happening),
  errors: WIDE,
  example: { limit: 10 },
  run: ({ runtime }, query) => runtime.happenings.page(pageQuery(query)),
})

export const metrics = operation({
  name: 'system:metrics',
  http: 'GET /v1/system/metrics',
  scope: 'system:read',
  summary: 'Show what is measured: executions, latencies, CPU, memory, kills and queues',
  description: 'The same as `/metrics` has in the form of Prometheus, which takes a key with this scope as well.',
  input: Type.Object({}),
  output: Type.Object({
    items: Type.Array(Type.Object({ name: Type.String(), help: Type.String(), type: Type.String(), values: Type.Array(Type.Unknown()) })),
    nextCursor: Type.Null(),
  }),
  example: {},
  run: async ({ metrics: measured }) => ({ items: await measured.values(), nextCursor: null }),
})
