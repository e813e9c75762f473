import { Type } from 'typebox'
import { Label } from '../../runtime/context.ts'
import { LEAST_AUDIT_DAYS, LONGEST_DAYS } from '../../runtime/store/retention.ts'
import { listOperation } from '../lists.ts'
import { Lines, operation, Upload } from '../operation.ts'

const Count = Type.Integer()
const Days = Type.Integer({ minimum: 1, maximum: LONGEST_DAYS })
const AuditDays = Type.Integer({ minimum: LEAST_AUDIT_DAYS, maximum: LONGEST_DAYS })

export const exported = operation({
  name: 'data:export',
  http: 'GET /v1/data/:module/export',
  scope: 'data:read',
  summary: 'Send all data of a module as lines of JSON, the last of which has their checksum',
  input: Type.Object({ module: Label }),
  output: Lines,
  example: { module: 'pii-filter' },
  run: ({ runtime }, { module }) => runtime.data.export(module),
})

export const imported = operation({
  name: 'data:import',
  http: 'POST /v1/data/:module/import',
  scope: 'data:write',
  summary: 'Store what an export has sent, all or nothing; with dryRun, only try',
  input: Type.Object({ module: Label, dryRun: Type.Optional(Type.Boolean()), lines: Upload }),
  upload: 'lines',
  output: Type.Object({
    module: Type.String(),
    dryRun: Type.Boolean(),
    tables: Type.Record(Type.String(), Count),
    keys: Count,
    extractions: Count,
  }),
  // Without lines, as an example cannot hold any, it is refused; with those of an export it works.
  example: { module: 'pii-filter', dryRun: true, lines: [] as unknown as AsyncIterable<Uint8Array> },
  run: ({ runtime }, { module, dryRun = false, lines }) => runtime.data.import(module, lines, { dryRun }),
})

export const clean = operation({
  name: 'data:clean',
  http: 'POST /v1/data/clean',
  scope: 'data:write',
  summary: 'Drop records older than they are kept; with dryRun, only say which',
  dangerous: true,
  input: Type.Object({
    dryRun: Type.Optional(Type.Boolean({ default: false })),
    options: Type.Object(
      { logsDays: Type.Optional(Days), extractionsDays: Type.Optional(Days), auditDays: Type.Optional(AuditDays) },
      { additionalProperties: false, expects: 'an object such as {"logsDays": 7}' },
    ),
  }),
  body: 'options',
  output: Type.Object({
    items: Type.Array(Type.Object({ table: Type.Enum(['logs', 'extractions', 'audit']), day: Type.String(), bytes: Type.Number() })),
    done: Type.Boolean(),
  }),
  example: { dryRun: true, options: { logsDays: 7 } },
  async run({ runtime }, { options, dryRun = false }) {
    return { items: await runtime.data.clean({ ...options, dryRun }), done: !dryRun }
  },
})

export const validate = listOperation({
  name: 'data:validate',
  http: 'GET /v1/data/problems',
  scope: 'data:read',
  summary: 'Look for data of modules that are gone, and for roles, grants, checksums and sums that have drifted',
  item: Type.Object({
    kind: Type.Enum(['orphan', 'checksum', 'role', 'grant', 'object', 'accounting', 'partition']),
    module: Type.Union([Type.String(), Type.Null()]),
    message: Type.String(),
  }),
  key: ['kind', 'module', 'message'],
  example: {},
  all: ({ runtime }) => runtime.data.validate(),
})
