import { readFile } from 'node:fs/promises'
import { testModule } from '@bulkhead/sdk/testing'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import module from './index.ts'

const manifest = parse(await readFile(new URL('module.yaml', import.meta.url), 'utf8'))
const config = { enabled: true, threshold: 3, windowMinutes: 5 }
const startedAt = new Date('2026-01-01T10:00:00Z')

interface Said {
  minute: number
  content?: string
  role?: 'user' | 'assistant' | 'system'
  id?: string
}

/** Says something in a session, so many minutes after it started. */
async function say({ minute, content = 'I am stuck', role = 'user', id = 's1' }: Said, given = config) {
  const context = {
    timestamp: new Date(startedAt.getTime() + minute * 60_000),
    session: { id, state: 'active' as const, startedAt, messageCount: 1 },
    message: { id: 'm1', role, content, seq: 1 },
  }
  const { result, extractions } = await testModule(module, 'chat:on_message', context, given)
  expect(result).toEqual({ action: 'continue' })
  return extractions
}

beforeEach(() => module.state.clear())

describe('struggle-detector', () => {
  it('records an episode once, with its indicators and without what was said', async () => {
    expect(await say({ minute: 1 })).toEqual([])
    expect(await say({ minute: 2, content: "It doesn't work" })).toEqual([])
    expect(await say({ minute: 3, content: 'help???' })).toEqual([
      {
        type: 'struggle_detected',
        data: {
          sessionId: 's1',
          indicators: [
            { type: 'stuck', at: '2026-01-01T10:01:00.000Z' },
            { type: 'not_working', at: '2026-01-01T10:02:00.000Z' },
            { type: 'help', at: '2026-01-01T10:03:00.000Z' },
          ],
          durationMs: 180_000,
        },
      },
    ])
    expect(await say({ minute: 4 })).toEqual([])
  })

  it('keeps sessions apart', async () => {
    for (const id of ['s1', 's2', 's3']) expect(await say({ minute: 1, id })).toEqual([])
  })

  it.each(['assistant', 'system'] as const)('passes over messages of the role %s', async (role) => {
    for (const minute of [1, 2, 3]) expect(await say({ minute, role })).toEqual([])
    expect(module.state.size).toBe(0)
  })

  it('counts to the threshold and over the window of its configuration', async () => {
    const given = { ...config, threshold: 2, windowMinutes: 1 }
    expect(await say({ minute: 1 }, given)).toEqual([])
    expect(await say({ minute: 2 }, given)).toEqual([])
    expect(await say({ minute: 2.5 }, given)).toHaveLength(1)
  })

  it('does nothing when it is switched off', async () => {
    for (const minute of [1, 2, 3]) expect(await say({ minute }, { ...config, enabled: false })).toEqual([])
  })

  it('does nothing without a message', async () => {
    const { extractions } = await testModule(module, 'chat:on_message', { message: undefined } as object, config)
    expect([extractions, module.state.size]).toEqual([[], 0])
  })

  it('does nothing without a session', async () => {
    const { extractions } = await testModule(module, 'chat:on_message', { session: undefined } as object, config)
    expect([extractions, module.state.size]).toEqual([[], 0])
  })

  it('takes a session that starts after its message for one that has just started', async () => {
    const extractions = await say({ minute: -1 }, { ...config, threshold: 1 })
    expect(extractions[0]?.data['durationMs']).toBe(0)
  })
})

describe('its manifest', () => {
  const validate = new Ajv2020({ useDefaults: true }).compile(manifest.config)

  it('has the defaults that the module has', () => {
    const defaults = {}
    expect(validate(defaults)).toBe(true)
    expect(defaults).toEqual(config)
  })

  it.each([
    { threshold: 0 },
    { threshold: 51 },
    { threshold: 2.5 },
    { windowMinutes: 0 },
    { windowMinutes: 1441 },
    { window: 5 },
  ])('refuses the configuration %j', (given) => {
    expect(validate(given)).toBe(false)
  })

  it.each([{ threshold: 1 }, { threshold: 50 }, { windowMinutes: 0.5 }, { windowMinutes: 1440 }])(
    'accepts the configuration %j',
    (given) => {
      expect(validate(given)).toBe(true)
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
