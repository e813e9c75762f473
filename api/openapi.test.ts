import { Validator } from '@seriousme/openapi-schema-validator'
import { Type } from 'typebox'
import { expect, it } from 'vitest'
import { DOMAINS } from './domains.ts'
import { openApi, plain } from './openapi.ts'
import { operations } from './operations/table.ts'

const document = openApi(operations, [{ path: '/healthz', summary: 'Whether the host lives', type: 'application/json' }])

it('is a document that a validator of OpenAPI 3.1 accepts', async () => {
  const validator = new Validator()
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
})

it('has every operation with its scope, its inputs, its answers and its errors', () => {
  for (const { name, method, path, scope, input, body, upload } of operations) {
    const entry = document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()] as Record<string, object>
    expect(entry).toMatchObject({ operationId: name, security: [{ key: [scope] }] })
    const named = Object.keys(input.properties).filter((one) => one !== body && one !== upload)
    expect(entry['parameters']).toEqual(expect.arrayContaining(named.map((one) => expect.objectContaining({ name: one }))))
    expect('requestBody' in entry).toBe(body !== undefined || upload !== undefined)
    expect(entry['responses']).toMatchObject({ 401: { $ref: '#/components/responses/Error401' } })
  }
})

it('says what each domain is about', () => {
  expect(document.tags.filter(({ name }) => !(name in DOMAINS))).toEqual([])
})

it('leaves out of schemas what is said for messages alone, and keeps fields of that name', () => {
  const schema = Type.Object({ secret: Type.String({ secret: true, expects: 'a key' }), noun: Type.Integer() })
  expect(plain(schema)).toEqual({
    type: 'object',
    required: ['secret', 'noun'],
    properties: { secret: { type: 'string', format: 'password' }, noun: { type: 'integer' } },
  })
})
