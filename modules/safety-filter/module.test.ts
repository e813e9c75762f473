import { readFile } from 'node:fs/promises'
import { testModule } from '@bulkhead/sdk/testing'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { DEFAULT_CATEGORIES } from './categories.ts'
import module from './index.ts'

const manifest = parse(await readFile(new URL('module.yaml', import.meta.url), 'utf8'))
const config = structuredClone(module.config)
const message = (content: string) => ({ id: 'm1', role: 'user' as const, content, seq: 3 })

const ask = (content: string, given = {}) =>
  testModule(module, 'chat:before_ai', { message: message(content) }, { ...config, ...given })
const answer = (response: string, given = {}) =>
  testModule(module, 'chat:after_ai', { message: message('hi'), response }, { ...config, ...given })

describe('safety-filter', () => {
  it('masks terms of low severity in the message and keeps its other properties', async () => {
    const { result, extractions } = await ask('Damn, where is the c0caine, d.a.m.n?')
    expect(result).toEqual({
      action: 'continue',
      modifications: { message: { ...message('****, where is the *******, *******?') } },
    })
    expect(extractions).toEqual([
      {
        type: 'safety_flagged',
        data: { categories: { profanity: 2, drugs: 1 }, location: 'message', action: 'modify' },
      },
    ])
  })

  it('masks terms of low severity in the response', async () => {
    const { result, extractions } = await answer('Well, damn.')
    expect(result).toEqual({ action: 'continue', modifications: { response: 'Well, ****.' } })
    expect(extractions).toEqual([
      { type: 'safety_flagged', data: { categories: { profanity: 1 }, location: 'response', action: 'modify' } },
    ])
  })

  it('blocks a message with a critical term and says why without saying what', async () => {
    const { result, extractions } = await ask('How do I build a b0mb, damn?')
    expect(result).toEqual({
      action: 'block',
      reason: 'safety:violence',
      directResponse: 'I cannot help with that here.',
    })
    expect(extractions).toEqual([
      {
        type: 'safety_flagged',
        data: { categories: { violence: 1, profanity: 1 }, location: 'message', action: 'block' },
      },
    ])
  })

  it('blocks a response with a critical term', async () => {
    const { result, extractions } = await answer('First, make explosives')
    expect(result).toMatchObject({ action: 'block', reason: 'safety:violence' })
    expect(extractions[0]?.data).toEqual({ categories: { violence: 1 }, location: 'response', action: 'block' })
  })

  it('points to help when somebody may be in danger, whatever else they say', async () => {
    const { result } = await ask('I will build a bomb and kill myself')
    expect(result).toMatchObject({ action: 'block', reason: 'safety:self-harm' })
    expect(result.directResponse).toMatch(/not have to face it alone.*emergency number or a crisis line/)
  })

  it('answers with the text of its configuration', async () => {
    const { result } = await ask('build a bomb', { directResponse: 'No.' })
    expect(result.directResponse).toBe('No.')
  })

  it('looks for the categories of its configuration and no others', async () => {
    const categories = [{ name: 'spoilers', severity: 'low' as const, terms: ['the butler'] }]
    const { result } = await ask('damn, it was the Butler', { categories, mask: 'removed' })
    expect(result.modifications?.message?.content).toBe('damn, it was [removed]')
  })

  it('counts categories of one name together', async () => {
    const categories = ['one', 'two'].map((term) => ({ name: 'n', severity: 'low' as const, terms: [term] }))
    const { extractions } = await ask('one two', { categories })
    expect(extractions[0]?.data['categories']).toEqual({ n: 2 })
  })

  it('keeps no names but those of categories in its counts', async () => {
    const categories = [{ name: '__proto__', severity: 'low' as const, terms: ['one'] }]
    const { extractions } = await ask('one', { categories })
    expect(JSON.stringify(extractions[0]?.data['categories'])).toBe('{"__proto__":1}')
  })

  it('takes no term that has neither letters nor digits', async () => {
    const categories = [{ name: 'n', severity: 'critical' as const, terms: ['!', ' ', '...', '\u0301'] }]
    const { result } = await ask('Well... hello!', { categories })
    expect(result).toEqual({ action: 'continue' })
  })

  it.each([
    'Hello, how are you?', 'The heroine of the novel lives in Scunthorpe', 'shiitake mushrooms',
    'An assessment of the class', 'He died a hero in Arsenal', 'How did the bombing end?', 'I could kill for a coffee',
    'The killing of Caesar', 'damnation is a theological term', 'Scrap the plan', '4 5 5 + 1 = 456',
    'Привет, как дела?',
  ])('lets %j pass', async (content) => {
    const { result, extractions } = await ask(content)
    expect([result, extractions]).toEqual([{ action: 'continue' }, []])
  })

  it('does nothing when it is switched off', async () => {
    const { result, extractions } = await ask('kill myself', { enabled: false })
    expect([result, extractions]).toEqual([{ action: 'continue' }, []])
  })

  it('does nothing when there is nothing to look at', async () => {
    const { result } = await testModule(module, 'chat:after_ai', { message: message('damn') }, config)
    expect(result).toEqual({ action: 'continue' })
  })
})

describe('its manifest', () => {
  const validate = new Ajv2020({ useDefaults: true }).compile(manifest.config)

  it('has the defaults that the module has', () => {
    const defaults = {}
    expect(validate(defaults)).toBe(true)
    expect(defaults).toEqual({ ...config, categories: DEFAULT_CATEGORIES })
  })

  it.each([
    { mask: 'stars' },
    { categories: [{ name: 'n', severity: 'high', terms: [] }] },
    { categories: [{ name: '', severity: 'low', terms: [] }] },
    { categories: [{ name: 'n', severity: 'low' }] },
    { categories: [{ name: 'n', severity: 'low', terms: [''] }] },
    { category: [] },
  ])('refuses the configuration %j', (given) => {
    expect(validate(given)).toBe(false)
  })

  it('describes every setting and gives it a default', () => {
    for (const setting of Object.values(manifest.config.properties)) {
      expect(setting).toMatchObject({ default: expect.anything(), description: expect.any(String) })
    }
  })

  it('names the hooks that the module answers', () => {
    expect(manifest.hooks).toEqual(Object.keys(module.hooks ?? {}))
  })
})
