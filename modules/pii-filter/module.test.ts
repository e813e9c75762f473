import { readFile } from 'node:fs/promises'
import { testModule } from '@bulkhead/sdk/testing'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import module from './index.ts'
import { KINDS } from './redact.ts'

const manifest = parse(await readFile(new URL('module.yaml', import.meta.url), 'utf8'))
const config = { enabled: true, kinds: [...KINDS] }
const message = { id: 'm1', role: 'user' as const, content: 'I am ann@example.org', seq: 3 }

describe('pii-filter', () => {
  it('replaces in the message and keeps its other properties', async () => {
    const { result, extractions } = await testModule(module, 'chat:before_ai', { message }, config)
    expect(result).toEqual({
      action: 'continue',
      modifications: { message: { id: 'm1', role: 'user', content: 'I am [EMAIL]', seq: 3 } },
    })
    expect(extractions).toEqual([{ type: 'pii_detected', data: { location: 'message', counts: { email: 1 } } }])
  })

  it('replaces in the response', async () => {
    const response = 'Ring 415-555-2671 or (415) 555-2672'
    const { result, extractions } = await testModule(module, 'chat:after_ai', { message, response }, config)
    expect(result).toEqual({ action: 'continue', modifications: { response: 'Ring [PHONE] or [PHONE]' } })
    expect(extractions).toEqual([{ type: 'pii_detected', data: { location: 'response', counts: { phone: 2 } } }])
  })

  it('takes a frozen context', async () => {
    const { result } = await testModule(module, 'chat:before_ai', { message: Object.freeze({ ...message }) }, config)
    expect(result.modifications?.message?.content).toBe('I am [EMAIL]')
  })

  it('says nothing where it finds nothing', async () => {
    const harmless = { ...message, content: 'I am Ann' }
    const { result, extractions } = await testModule(module, 'chat:before_ai', { message: harmless }, config)
    expect([result, extractions]).toEqual([{ action: 'continue' }, []])
  })

  it('replaces only the kinds of its configuration', async () => {
    const content = 'ann@example.org at 10.0.0.1'
    const { result, extractions } = await testModule(
      module, 'chat:before_ai', { message: { ...message, content } }, { ...config, kinds: ['ip'] },
    )
    expect(result.modifications?.message?.content).toBe('ann@example.org at [IP]')
    expect(extractions[0]?.data).toEqual({ location: 'message', counts: { ip: 1 } })
  })

  it.each([
    ['it is switched off', 'chat:before_ai', { message }, { ...config, enabled: false }],
    ['its response is switched off', 'chat:after_ai', { response: 'a@x.org' }, { ...config, enabled: false }],
    ['no kind is chosen', 'chat:before_ai', { message }, { ...config, kinds: [] }],
    ['there is no response', 'chat:after_ai', { message }, config],
    ['the hook is another', 'chat:on_message', { message }, config],
  ])('does nothing when %s', async (_, hook, ctx, given) => {
    const { result, extractions } = await testModule(module, hook, ctx, given)
    expect([result, extractions]).toEqual([{ action: 'continue' }, []])
  })
})

describe('its manifest', () => {
  const validate = new Ajv2020({ useDefaults: true }).compile(manifest.config)

  it('has the defaults that the module has', () => {
    const defaults = {}
    expect(validate(defaults)).toBe(true)
    expect(defaults).toEqual(config)
  })

  it.each([[{ kinds: ['name'] }], [{ kinds: ['ip', 'ip'] }], [{ enabled: 'yes' }], [{ kind: ['ip'] }]])(
    'refuses the configuration %j',
    (given) => {
      expect(validate(given)).toBe(false)
    },
  )

  it('describes every setting and gives it a default', () => {
    for (const setting of Object.values(manifest.config.properties)) {
      expect(setting).toMatchObject({ default: expect.anything(), description: expect.any(String) })
    }
  })

  it('names the hooks that the module answers', () => {
    expect(manifest.hooks).toEqual(Object.keys(module.hooks ?? {}))
  })
})
