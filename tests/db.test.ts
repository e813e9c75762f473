import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../runtime/store/store.setup.ts'
import { type DbLab, openDbLab } from './db.setup.ts'

const external = await findExternal()

/** A module whose handler evaluates what the message says, as an expression over `db`, and answers with what came of it. */
const CODE = `
const show = (value: unknown): unknown => {
  if (typeof value === 'bigint') return { bigint: String(value) }
  if (value instanceof Date) return { date: value.toISOString() }
  if (value instanceof Uint8Array) return { bytes: [...value] }
  if (typeof value === 'number' && !Number.isFinite(value)) return { number: String(value) }
  if (Array.isArray(value)) return value.map(show)
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, show(inner)]))
  return value
}
const tests: Record<string, (db: any, ctx: any) => unknown> = {
  async types(db) {
    const [row] = await db.sql\`select 1::int2 as "int2", 2 as "int4", 3::int8 as "int8", 9007199254740991 as "safe",
      9007199254740993 as "unsafe", -9007199254740993 as "negative", 1.10::numeric as "numeric", 0.1::float8 as "float8", 'NaN'::float4 as "nan", '-Infinity'::float8 as "infinity",
      true as "bool", 'text' as "text", null::int as "null", '2026-07-01 10:20:30.123456+02'::timestamptz as "timestamptz",
      'infinity'::timestamptz as "forever", '0044-03-15 BC'::timestamptz as "ides", '2026-07-01 10:20:30.5'::timestamp as "timestamp", '2026-07-01'::date as "date", '10:20'::time as "time",
      '1 day 2 hours'::interval as "interval", '{"a": [1, null, "\\u2028"]}'::jsonb as "jsonb", '[1.5]'::json as "json", '\\\\xdeadbeef'::bytea as "bytea",
      '6f9619ff-8b86-d011-b42d-00c04fc964ff'::uuid as "uuid", 'good'::grade as "enum", '[1,5)'::int4range as "range", row(1, 'a') as "row", 1 as "__proto__"\`
    return row
  },
  async arrays(db) {
    const [row] = await db.sql\`select array[1, null, 3] as ints, array[[1, 2], [3, 4]]::int8[] as nested, array['a "b" \\\\\\\\', '', 'NULL', null, '{},'] as texts,
      array[now() = now()] as bools, array['2026-07-01T00:00:00Z'::timestamptz] as dates, array['{"a": 1}'::jsonb] as json, array['\\\\x01'::bytea] as bytes,
      '{}'::int[] as empty, '[2:3]={7,8}'::int[] as shifted, array[1.10::numeric] as numerics\`
    return row
  },
  async parameters(db) {
    const value = { a: [1, 'two', null], nested: { "it's": '"quoted"' } }
    const [row] = await db.sql\`insert into kinds (i, b, n, t, j, l, d, y, f) values (\${1}, \${9007199254740993n}, \${'1.10'}, \${"it's; drop table kinds -- "}, \${value},
      \${['x', null, '"']}, \${new Date(0)}, \${new Uint8Array([0, 255])}, \${true}) returning *\`
    const [again] = await db.sql\`select i from kinds where d = any (\${[new Date(0)]}) and b = any (\${[9007199254740993n]}) and j @> \${{ a: [1] }} and y = any (\${[new Uint8Array([0, 255])]})\`
    const [list] = await db.sql\`update kinds set j = \${[1, { a: 'b' }, [true]]}, t = \${undefined} returning j, t\`
    return { row, again, list }
  },
  async counts(db) {
    const inserted = await db.sql\`insert into kinds (i) values (100), (101)\`
    const none = await db.sql\`delete from kinds where i = -1\`
    return [inserted.count, inserted.length, none.count, (await db.sql\`select count(*) as many from kinds where i >= 100\`)[0].many]
  },
  async errors(db) {
    const tell = (work: () => unknown) => Promise.resolve().then(work).then(() => 'fine', (e: any) => ({ name: e.name, code: e.code, sqlstate: e.sqlstate, constraint: e.constraint, message: e.message }))
    await db.sql\`delete from unique_ones\`
    await db.sql\`insert into unique_ones values (1)\`
    return [
      await tell(() => db.sql\`insert into unique_ones values (1)\`),
      await tell(() => db.sql\`select nothing\`),
      await tell(() => db.sql\`drop table kinds\`),
      await tell(() => db.sql('select 1')),
      await tell(() => db.sql\`select \${() => 1}\`),
      await tell(() => db.sql\`select \${'x'.repeat(300_000)}\`),
    ]
  },
  async transactions(db) {
    const kept = await db.begin(async (tx: any) => {
      await tx.sql\`insert into unique_ones values (10)\`
      return (await tx.sql\`select 1 as one\`)[0].one
    })
    const thrown = await db.begin(async (tx: any) => {
      await tx.sql\`insert into unique_ones values (11)\`
      throw new RangeError('changed my mind')
    }).catch((e: any) => String(e))
    const swallowed = await db.begin(async (tx: any) => {
      await tx.sql\`insert into unique_ones values (12)\`
      await tx.sql\`insert into unique_ones values (12)\`.catch(() => {})
    }).catch((e: any) => e.message)
    return { kept, thrown, swallowed, rows: (await db.sql\`select id from unique_ones where id >= 10\`).map(({ id }: any) => id) }
  },
  async retries(db) {
    await db.sql\`insert into kinds (i, t) values (500, '0') on conflict do nothing\`
    let attempts = 0
    let read = 0
    await Promise.all([1, 2].map(() => db.begin(async (tx: any) => {
      attempts++
      const [row] = await tx.sql\`select t from kinds where i = 500\`
      // Nobody writes before both have read.
      for (read++; read < 2; ) await new Promise((done) => setTimeout(done, 1))
      await tx.sql\`update kinds set t = \${String(Number(row.t) + 1)} where i = 500\`
    })))
    const [row] = await db.sql\`select t from kinds where i = 500\`
    return { total: row.t, attempted: attempts > 2 }
  },
  async abandoned(db) {
    db.begin(async (tx: any) => {
      await tx.sql\`insert into unique_ones values (77)\`
      await new Promise(() => {})
    })
    await new Promise((done) => setTimeout(done, 100))
    return 'left'
  },
  after: async (db) => (await db.sql\`select id from unique_ones where id = 77\`).length,
  slow: (db) => db.sql\`select count(*) from generate_series(1, 100000) a, generate_series(1, 1000000) b\`,
  frozen: (db, ctx) => [Object.isFrozen(db), Object.isFrozen(ctx)],
  tampered: async (db) => {
    const { parse, stringify } = JSON
    JSON.parse = () => ({ columns: [['forged', 23]], rows: [['1']], count: 1 })
    Array.prototype.map = () => []
    Object.defineProperty(Object.prototype, 'x', { set() { throw new Error('seen') }, configurable: true })
    try {
      return (await db.sql\`select 1 as x\`)[0].x
    } finally {
      delete (Object.prototype as any).x
      Object.assign(JSON, { parse, stringify })
    }
  },
}
export default {
  async handle(hook: string, ctx: any) {
    const result = await tests[ctx.message.content]!(ctx.db, ctx)
    return { action: 'continue', modifications: { response: JSON.stringify(show(result)) } }
  },
}`

const TABLES = `
  create type grade as enum ('good', 'bad');
  create table kinds (i int primary key, b int8, n numeric, t text, j jsonb, l text[], d timestamptz, y bytea, f boolean);
  create table unique_ones (id int primary key);`

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: DbLab
  const ask = (content: string, hook?: string) => lab.ask(content, hook)

  beforeAll(async () => {
    if (!there) return
    lab = await openDbLab(url)
    await lab.write('sql-user', 'hooks: [chat:before_ai]\npermissions: [db]\nlimits: { maxExecutionMs: 1500 }', CODE, TABLES)
    await lab.write('without', 'hooks: [chat:after_ai]', CODE, '')
    await lab.start()
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  describe.runIf(there)('a module', () => {
    test('each type arrives as it is documented to', async () => {
      expect(await ask('types')).toEqual({
        int2: 1,
        int4: 2,
        int8: 3,
        safe: 9007199254740991,
        unsafe: { bigint: '9007199254740993' },
        negative: { bigint: '-9007199254740993' },
        numeric: '1.10',
        float8: 0.1,
        nan: { number: 'NaN' },
        infinity: { number: '-Infinity' },
        bool: true,
        text: 'text',
        null: null,
        timestamptz: { date: '2026-07-01T08:20:30.123Z' },
        forever: 'infinity',
        ides: '0044-03-15 00:00:00+00 BC',
        timestamp: '2026-07-01 10:20:30.5',
        date: '2026-07-01',
        time: '10:20:00',
        interval: 'P1DT2H',
        jsonb: { a: [1, null, '\u2028'] },
        json: [1.5],
        bytea: { bytes: [0xde, 0xad, 0xbe, 0xef] },
        uuid: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
        enum: 'good',
        range: '[1,5)',
        row: '(1,a)',
        ['__proto__']: 1,
      })
    })

    test('arrays arrive as arrays, nested and with nulls', async () => {
      expect(await ask('arrays')).toEqual({
        ints: [1, null, 3],
        nested: [[1, 2], [3, 4]],
        texts: ['a "b" \\\\', '', 'NULL', null, '{},'],
        bools: [true],
        dates: [{ date: '2026-07-01T00:00:00.000Z' }],
        json: [{ a: 1 }],
        bytes: [{ bytes: [1] }],
        empty: [],
        shifted: [7, 8],
        numerics: ['1.10'],
      })
    })

    test('parameters are what they are, and never text of the statement', async () => {
      expect(await ask('parameters')).toEqual({
        row: {
          i: 1,
          b: { bigint: '9007199254740993' },
          n: '1.10',
          t: "it's; drop table kinds -- ",
          j: { a: [1, 'two', null], nested: { "it's": '"quoted"' } },
          l: ['x', null, '"'],
          d: { date: '1970-01-01T00:00:00.000Z' },
          y: { bytes: [0, 255] },
          f: true,
        },
        again: { i: 1 },
        list: { j: [1, { a: 'b' }, [true]], t: null },
      })
    })

    test('rows know how many were touched', async () => {
      expect(await ask('counts')).toEqual([2, 0, 0, 2])
    })

    test('errors have a class, a code and what the server says', async () => {
      expect(await ask('errors')).toMatchObject([
        { name: 'AlreadyExists', code: 'CONFLICT', sqlstate: '23505', constraint: 'unique_ones_pkey' },
        { name: 'InvalidData', code: 'INVALID', sqlstate: '42703' },
        { name: 'InvalidData', code: 'INVALID', message: 'cannot run the statement, DROP is not for modules: SELECT, INSERT, UPDATE, DELETE and MERGE are' },
        { name: 'InvalidData', code: 'INVALID', message: expect.stringContaining('sql is a tag for a template') },
        { name: 'InvalidData', code: 'INVALID', message: 'cannot send the parameter, it is a function' },
        { name: 'QuotaExceeded', code: 'SIZE_LIMIT' },
      ])
    })

    test('a transaction is kept, or none of it is', async () => {
      expect(await ask('transactions')).toEqual({
        kept: 1,
        thrown: 'RangeError: changed my mind',
        swallowed: 'cannot commit, a statement of the transaction failed',
        rows: [10],
      })
    })

    test('transactions in each other\'s way are tried again', async () => {
      expect(await ask('retries')).toEqual({ total: '2', attempted: true })
    })

    test('a transaction that is left open ends with its execution', async () => {
      expect(await ask('abandoned')).toBe('left')
      expect(await ask('after')).toBe(0)
    })

    test('a statement ends with its execution', async () => {
      expect(await ask('slow')).toMatchObject({ code: 'TIMEOUT' })
      await expect.poll(() => lab.database.sql`select from pg_stat_activity where usename like 'mod%' and state = 'active'`).toHaveLength(0)
      expect(await ask('after')).toBe(0)
    })

    test('a module cannot change what it is lent', async () => {
      expect(await ask('frozen')).toEqual([true, true])
      expect(await ask('tampered')).toBe(1)
    })

    test('without the permission there is nothing to ask', async () => {
      expect(await ask('types', 'chat:after_ai')).toMatchObject({ code: 'CAPABILITY_DENIED', message: expect.stringContaining('"db"') })
    })
  })
})
