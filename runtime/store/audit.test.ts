import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Audit, LONGEST, openAudit } from './audit.ts'
import { openTemporary, type TemporaryDatabase } from './store.setup.ts'

let temporary: TemporaryDatabase
let audit: Audit
beforeAll(async () => {
  temporary = await openTemporary()
  audit = openAudit(temporary.database.sql)
})
afterAll(() => temporary?.[Symbol.asyncDispose]())

async function kept(value: unknown) {
  const operation = `test:${randomUUID()}`
  await audit.add({ key: randomUUID(), keyName: 'test', operation, module: null, requestId: 'r', status: 200, error: null, input: value, before: value, after: value })
  const [row] = (await audit.page({ operation })).items
  expect(row?.before).toEqual(row?.input)
  expect(row?.after).toEqual(row?.input)
  return row?.input
}

test('what was there before and after is kept whole up to 64 KiB, and beyond that cut, which can be seen', async () => {
  const fits = { text: 'x'.repeat(LONGEST - '{"text":""}'.length) }
  expect(await kept(fits)).toEqual(fits)
  const cut = await kept({ text: `${fits.text}x` })
  expect(cut).toEqual({ omitted: `all but the beginning of ${LONGEST + 1} bytes`, beginning: expect.stringMatching(/^\{"text":"x+…$/) })
})

test('it is bytes that count', async () => {
  expect(await kept('ä'.repeat(LONGEST / 2))).toMatchObject({ omitted: expect.stringContaining(`${LONGEST + 2} bytes`) })
})

test('a record is never lost for what is in it', async () => {
  expect(await kept('\0'.repeat(LONGEST))).toHaveProperty('omitted')
  expect(await kept('😀'.repeat(LONGEST))).toHaveProperty('omitted')
  expect(await kept(JSON.parse(`${'['.repeat(2000)}${']'.repeat(2000)}`))).toEqual({ omitted: 'it is nested too deep' })
  expect(await kept(undefined)).toBeNull()
})
