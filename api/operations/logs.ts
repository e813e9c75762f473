import { Type } from 'typebox'
import { LOG_SORTS } from '../../runtime/store/logs.ts'
import { operation } from '../operation.ts'
import { Moment, pageOf, pageQuery, paging, sortedPaging, WIDE } from './page.ts'

const Level = Type.Enum(['debug', 'info', 'warn', 'error'], { noun: 'level' })

const LogRecord = Type.Object({
  id: Type.String(),
  module: Type.String(),
  version: Type.String(),
  execution: Type.Union([Type.String(), Type.Null()]),
  seq: Type.Integer(),
  level: Level,
  message: Type.String(),
  data: Type.Unknown(),
  createdAt: Moment,
})

export const list = operation({
  name: 'logs:list',
  http: 'GET /v1/logs',
  scope: 'logs:read',
  summary: 'List what modules logged, of a level and the more severe ones',
  input: Type.Object({ ...paging, level: Type.Optional(Level), ...sortedPaging(LOG_SORTS, 'module, message and the data as JSON') }),
  output: pageOf(LogRecord),
  errors: WIDE,
  example: { level: 'warn', limit: 10 },
  examples: [{ summary: 'What a module said of something in its first lines', input: { module: 'pii-filter', search: 'redacted', order: 'asc' } }],
  run: ({ runtime }, query) => runtime.records.listLogs(pageQuery(query)),
})
