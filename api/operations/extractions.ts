import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { operation } from '../operation.ts'
import { EXTRACTION_SORTS } from '../../runtime/store/extractions.ts'
import { Moment, pageOf, pageQuery, paging, sortedPaging, WIDE } from './page.ts'

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
    ...sortedPaging(EXTRACTION_SORTS, 'module, hook, type, session, user, run and the data as JSON'),
  }),
  output: pageOf(Extraction),
  errors: WIDE,
  example: { module: 'pii-filter', limit: 10 },
  examples: [{ summary: 'Those that say something, type by type', input: { search: 'iban', sort: 'type', order: 'asc' } }],
  run: ({ runtime }, query) => runtime.records.listExtractions(pageQuery(query)),
})
