import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findExternal } from '../runtime/store/store.setup.ts'
import { type DbLab, openDbLab } from './db.setup.ts'

const external = await findExternal()

/** A module that means harm, and knows how its own half of the bridge works. */
const EVIL = `
const sql = (db: any, text: string, ...values: unknown[]) => db.sql(Object.assign([text], { raw: [text] }), ...values)
const outcome = (work: Promise<any>) => work.then((rows) => 'done ' + rows.length, (error) => error.code)
const tally = (codes: string[]) => codes.reduce((all: any, code) => ({ ...all, [code]: (all[code] ?? 0) + 1 }), {})
const attacks: Record<string, (db: any) => any> = {
  async spellings(db) {
    const texts = ['select * from "mod_victim".secrets', 'select 1; drop table secrets', 'set role mod_victim', "select query_to_xml('select 1', true, true, '')",
      'select pg_sleep(10)', "copy own to program 'id'", 'do $$ begin end $$', "select '\\\\u0000'", 'select 1 \\0', 'select * from pg_class']
    const codes = []
    for (const text of texts) codes.push(await outcome(sql(db, text)))
    return codes
  },
  async flood(db) {
    return tally(await Promise.all(Array.from({ length: 2000 }, (_, at) => outcome(db.sql\`select \${at}\`))))
  },
  async prepared(db) {
    return tally(await (async () => {
      const codes = []
      for (let at = 0; at < 510; at++) codes.push(await outcome(sql(db, 'select ' + at + Math.random())))
      return codes
    })())
  },
  async transactions(db) {
    return tally(await Promise.all(Array.from({ length: 60 }, () => outcome(db.begin(() => new Promise((done) => setTimeout(done, 2000)))))))
  },
  async heavy(db) {
    return tally(await Promise.all(Array.from({ length: 10 }, () => outcome(db.sql\`select count(*) from generate_series(1, 1000000000000)\`))))
  },
  async fat(db) {
    return [await outcome(db.sql\`select repeat('x', 50000000)\`), await outcome(db.sql\`select \${'x'.repeat(10_000_000)}\`),
      await outcome(db.sql\`select repeat('x', 200) from generate_series(1, 10001)\`), await outcome(db.sql\`select \${Array.from({ length: 40 }).reduce((inner) => [inner], [])}::text[]\`)]
  },
  async names(db) {
    const [row] = await db.sql\`select 1 as "__proto__", 2 as "constructor", 3 as "toString"\`
    return [Object.getPrototypeOf(row) === Object.prototype, Object.keys(row), ({} as any).polluted === undefined]
  },
  async locks(db) {
    db.begin(async (tx: any) => {
      await tx.sql\`update own set id = id\`
      for (;;);
    })
    await new Promise(() => {})
  },
  locked: (db) => outcome(db.sql\`update own set id = id returning id\`),
}
export default {
  async handle(hook: string, ctx: any) {
    return { action: 'continue', modifications: { response: JSON.stringify(await attacks[ctx.message.content]!(ctx.db)) } }
  },
}`

const VICTIM = `
export default {
  async handle(hook: string, ctx: any) {
    const [row] = await ctx.db.sql\`select value from secrets where name = \${ctx.message.content}\`
    return { action: 'continue', modifications: { response: JSON.stringify(row.value) } }
  },
}`

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  const there = kind === 'embedded' || url !== undefined
  let lab: DbLab

  beforeAll(async () => {
    if (!there) return
    lab = await openDbLab(url)
    const limits = 'limits: { maxExecutionMs: 4000, maxCpuMs: 1500 }'
    await lab.write('evil', `hooks: [chat:before_ai]\npermissions: [db]\ntimeouts: { chat:before_ai: 4000 }\n${limits}`, EVIL, 'create table own (id int primary key); insert into own values (1);')
    await lab.write('victim', 'hooks: [chat:after_ai]\npermissions: [db]', VICTIM, "create table secrets (name text, value int); insert into secrets values ('answer', 42);")
    await lab.start()
  })
  afterAll(() => lab?.[Symbol.asyncDispose]())

  /** Runs an attack, while the neighbour is asked all the time. */
  const attack = async (name: string) => {
    let over = false
    const running = lab.ask(name).finally(() => {
      over = true
    })
    do expect(await lab.ask('answer', 'chat:after_ai')).toBe(42)
    while (!over)
    return running
  }

  describe.runIf(there)('a module that means harm, while its neighbour is served', () => {
    test('asks for what belongs to others', async () => {
      expect(await attack('spellings')).toEqual([...Array.from({ length: 7 }, () => 'INVALID'), 'done 1', 'INVALID', 'INVALID'])
    })

    test('asks for too much at once', async () => {
      const tally = (await attack('flood')) as Record<string, number>
      expect(tally['CALL_LIMIT']).toBeGreaterThan(1_000)
      expect(Object.keys(tally).toSorted()).toEqual(['CALL_LIMIT', 'done 1'])
    })

    test('sends many different texts', async () => {
      expect(await attack('prepared')).toEqual({ 'done 1': 500, CALL_LIMIT: 10 })
    })

    test('opens transactions and keeps them', async () => {
      const outcome = (await attack('transactions')) as Record<string, number>
      expect(outcome['BUSY'] ?? outcome['code']).toBeDefined()
    })

    test('has the server count for ever', async () => {
      const outcome = (await attack('heavy')) as Record<string, unknown>
      // Its time is up before the room for what it counts, or after.
      expect(outcome['code'] === 'TIMEOUT' || Number(outcome['SIZE_LIMIT']) > 0).toBe(true)
    })

    test('asks for more than it can hold', async () => {
      expect(await attack('fat')).toEqual(['SIZE_LIMIT', 'SIZE_LIMIT', 'SIZE_LIMIT', 'INVALID'])
    })

    test('names columns as what objects have', async () => {
      expect(await attack('names')).toEqual([true, ['__proto__', 'constructor', 'toString'], true])
    })

    test('loops inside a transaction: its isolate is ended, and its locks are gone', async () => {
      expect(await attack('locks')).toMatchObject({ code: expect.stringMatching(/^(CPU_LIMIT|TIMEOUT)$/) })
      await expect.poll(() => lab.ask('locked')).toBe('done 1')
    })
  })
})
