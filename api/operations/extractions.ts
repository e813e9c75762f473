import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { operation } from '../operation.ts'
import { Moment, pageOf, pageQuery, paging } from './page.ts'

const text = Type.Union([Type.String(), Type.Null()])

const Extraction = Type.Object({
  id: Type.String(),
  module: Type.String(),
  version: Type.String(),
  execution: Type.String(),
  seq: Type.Integer(),
  hook: Type.String(),
  type: Type.String(),
  data: Type.Unknown(),
  sessionId: text,
  userId: text,
  runId: text,
  createdAt: Moment,
})

export const list = operation({
  name: 'extractions:list',
  http: 'GET /v1/extractions',
  scope: 'extractions:read',
  summary: 'List the records that modules emitted',
  input: Type.Object({
    ...paging,
    type: Type.Optional(Label),
    session: Type.Optional(Label),
    user: Type.Optional(Label),
  }),
  output: pageOf(Extraction),
  example: { module: 'pii-filter', limit: 10 },
  run: ({ runtime }, query) => runtime.records.listExtractions(pageQuery(query)),
})
