import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AppUnderTest, startApp } from './app.setup.ts'
import { docsPage } from './docs.ts'
import { typeText } from './docs-schema.ts'
import { operation } from './operation.ts'
import { operations } from './operations/table.ts'

let app: AppUnderTest
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app?.[Symbol.asyncDispose]())

const read = (path: string) => app.request(path)

describe('what the API says of itself', () => {
  it('is a document that names every operation, and needs no key', async () => {
    const answer = await read('/openapi.json')
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8')
    const { paths } = (await answer.json()) as { paths: Record<string, Record<string, { operationId: string }>> }
    const named = Object.values(paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId))
    expect(named).toEqual(expect.arrayContaining(operations.map(({ name }) => name)))
    expect(named).toEqual(expect.arrayContaining(['healthz', 'readyz', 'openapi.json', 'docs']))
  })

  it('is a page that its own policy lets nothing but its style do', async () => {
    const answer = await read('/docs')
    const page = await answer.text()
    const policy = answer.headers.get('content-security-policy')
    const style = /<style>([^<]*)<\/style>/.exec(page)![1]!
    expect(policy).toContain(`default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`)
    expect(page).not.toMatch(/<script|<[^>]* (style|on\w+|src)=|href="[^#/]/)
    for (const { name, path } of operations) {
      expect(page).toContain(`<h3 id="${name}">`)
      expect(page.replace(/<\/?i>/g, '')).toContain(`<code>${path}</code>`)
    }
  })

  it('says nothing of what is installed', async () => {
    await app.send('/v1/modules/echo/disable', { method: 'POST' })
    const before = await (await read('/openapi.json')).text()
    expect(before).not.toContain('"echo"')
    expect(before).not.toContain(app.folder)
  })
})

it('a page shows what is written in an operation, whatever it is', () => {
  const odd = operation({
    name: 'odd:one',
    http: 'GET /v1/odd',
    scope: 'odd:read',
    summary: '<script>alert("1")</script>',
    description: 'Says `<b>`.\n\nTwice.',
    input: Type.Object({ a: Type.Optional(Type.String({ description: '"<i>"' })) }),
    output: Type.Object({}),
    example: { a: "it's" },
    run: () => ({}),
  })
  const { text } = docsPage([odd])
  expect(text).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;.')
  expect(text).toContain('<p>Says <code>&lt;b&gt;</code>.</p>\n<p>Twice.</p>')
  expect(text).toContain('&quot;&lt;i&gt;&quot;')
})

it.each([
  [Type.String(), 'string'],
  [Type.Array(Type.Enum(['a', 'b'])), '("a" | "b")[]'],
  [Type.Union([Type.Null(), Type.Integer()]), 'null | integer'],
  [Type.Array(Type.Union([Type.Null(), Type.Object({ a: Type.Integer() })])), '(null | { a: integer })[]'],
  [Type.Enum([...'abcdefghijklm']), '"a" | "b" | "c" | … 10 more'],
  [Type.Object({ a: Type.Optional(Type.String()), b: Type.Boolean() }), '{ a?: string, b: boolean }'],
  [Type.Record(Type.String(), Type.Integer()), '{ [name]: any }'],
  [Type.Unknown(), 'any'],
])('a schema is read as a type', (schema, expected) => {
  expect(typeText(schema)).toBe(expected)
})
