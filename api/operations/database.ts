import { Type } from 'typebox'
import { BulkheadError, ERRORS, type ErrorCode } from '../../bridge/errors.ts'
import { Label } from '../../runtime/context.ts'
import { operation } from '../operation.ts'

const Bytes = Type.Number()
const Count = Type.Integer()

export const status = operation({
  name: 'database:status',
  http: 'GET /v1/database',
  scope: 'database:read',
  summary: 'Show the database, its connections, and what each module keeps in it',
  input: Type.Object({}),
  output: Type.Object({
    database: Type.String(),
    kind: Type.Enum(['embedded', 'external']),
    version: Type.String(),
    bytes: Bytes,
    connections: Type.Object({ open: Count, most: Count }),
    modules: Type.Array(
      Type.Object({
        module: Type.String(),
        tableBytes: Bytes,
        keys: Count,
        keyBytes: Bytes,
        applied: Count,
        pending: Type.Array(Type.String()),
        problem: Type.Union([Type.String(), Type.Null()]),
      }),
    ),
  }),
  example: {},
  run: ({ runtime }) => runtime.data.status(),
})

export const migrate = operation({
  name: 'database:migrate',
  http: 'POST /v1/database/migrate',
  scope: 'database:write',
  summary: 'Run the migrations of modules that were not run yet',
  input: Type.Object({
    options: Type.Object(
      { module: Type.Optional(Label) },
      { additionalProperties: false, expects: 'an object such as {"module": "notes"}' },
    ),
  }),
  body: 'options',
  output: Type.Object({
    items: Type.Array(
      Type.Object({
        module: Type.String(),
        ran: Type.Array(Type.String()),
        error: Type.Union([
          Type.Null(),
          Type.Object({
            code: Type.Enum(Object.keys(ERRORS) as ErrorCode[]),
            message: Type.String(),
            details: Type.Optional(Type.Unknown()),
          }),
        ]),
      }),
    ),
  }),
  example: { options: {} },
  run: async ({ runtime }, { options }) => ({ items: await runtime.data.migrate(options.module) }),
})

export const rollback = operation({
  name: 'database:rollback',
  http: 'POST /v1/database/rollback',
  scope: 'database:write',
  summary: "Take back a module's last migrations by their down files; with dryRun, only say which",
  dangerous: true,
  input: Type.Object({
    dryRun: Type.Optional(Type.Boolean({ default: false })),
    options: Type.Object(
      { module: Label, steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 1 })) },
      { additionalProperties: false, expects: 'an object such as {"module": "notes", "steps": 1}' },
    ),
  }),
  body: 'options',
  output: Type.Object({ module: Type.String(), migrations: Type.Array(Type.String()), done: Type.Boolean() }),
  example: { dryRun: true, options: { module: 'pii-filter' } },
  async run({ runtime }, { options: { module, steps = 1 }, dryRun = false }) {
    const migrations = await runtime.data.rollback(module, { steps, dryRun })
    return { module, migrations, done: !dryRun }
  },
})

export const schema = operation({
  name: 'database:schema',
  http: 'GET /v1/database/schemas/:module',
  scope: 'database:read',
  summary: "Show a module's tables, views and sequences",
  input: Type.Object({ module: Label }),
  output: Type.Object({
    items: Type.Array(
      Type.Object({
        name: Type.String(),
        kind: Type.Enum(['table', 'view', 'sequence']),
        rows: Type.Number(),
        bytes: Bytes,
        columns: Type.Array(
          Type.Object({
            name: Type.String(),
            type: Type.String(),
            notNull: Type.Boolean(),
            default: Type.Union([Type.String(), Type.Null()]),
          }),
        ),
        constraints: Type.Array(Type.String()),
        indexes: Type.Array(Type.String()),
      }),
    ),
  }),
  example: { module: 'pii-filter' },
  run: async ({ runtime }, { module }) => ({ items: await runtime.data.schema(module) }),
})

export const query = operation({
  name: 'database:query',
  http: 'POST /v1/database/query',
  scope: 'database:execute',
  summary: 'Run one statement, which reads, or with write and confirm changes rows; for keys of every scope',
  dangerous: ({ query: { write = false } }) => write,
  writes: true,
  input: Type.Object({
    query: Type.Object(
      {
        sql: Type.String({ minLength: 1, maxLength: 100_000 }),
        write: Type.Optional(Type.Boolean()),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
      },
      { additionalProperties: false, expects: 'an object such as {"sql": "select 1"}' },
    ),
  }),
  body: 'query',
  output: Type.Object({
    columns: Type.Array(Type.String()),
    // Whoever may read who did what may not read what is in tables for that; and what is deleted there must be gone.
    rows: Type.Array(Type.Array(Type.Unknown()), { secret: true }),
    count: Count,
    more: Type.Boolean(),
  }),
  example: { query: { sql: 'select count(*) from bulkhead.extractions' } },
  run({ runtime }, { query: { sql, write = false, limit = 100 } }, { caller }) {
    if (!caller.scopes.includes('*')) {
      throw new BulkheadError('FORBIDDEN', `the API key "${caller.name}" has not every scope, which it takes to query the database`)
    }
    return runtime.data.query(sql, { write, limit })
  },
})
