import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runModule } from './testing.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-testing-'))
  await writeFile(join(folder, 'module.yaml'), `
name: asked
version: 1.0.0
description: Answers as it is asked
hooks: [chat:before_ai, agent:created]
permissions: [emit, log]
limits: { maxCpuMs: 200, maxExecutionMs: 1000 }
config:
  type: object
  additionalProperties: false
  properties: { word: { type: string, default: hello } }
`)
  await writeFile(join(folder, 'index.ts'), `
import { defineModule } from '@bulkhead/sdk'
export default defineModule({
  config: { word: 'hello' },
  handle(hook, ctx) {
    if (hook === 'agent:created') return void ctx.emit('agent', { id: ctx.agent.id })
    if (ctx.message.content === 'loop') for (;;);
    if (ctx.message.content === 'throw') throw new RangeError('as asked')
    ctx.log.info('asked', { at: ctx.timestamp.toISOString(), isolated: globalThis.process?.versions?.node === undefined })
    return { action: 'block', directResponse: this.config.word, extractions: [{ type: 'said', data: { by: ctx.user.role } }] }
  },
})`)
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

test('a hook is called in an isolate, with the defaults of the manifest', async () => {
  const { result, extractions, logs, usage } = await runModule(folder, 'chat:before_ai', {
    message: { content: 'hi' },
    timestamp: new Date('2026-01-31T09:30:00Z'),
    user: { role: 'teacher' },
  })
  expect(result).toMatchObject({ action: 'block', directResponse: 'hello' })
  expect(extractions).toEqual([{ type: 'said', data: { by: 'teacher' } }])
  expect(logs).toEqual([{ level: 'info', message: 'asked', data: { at: '2026-01-31T09:30:00.000Z', isolated: true } }])
  expect(usage.peakMemoryMB).toBeGreaterThan(0)
})

test('a configuration may be given, and an event be told', async () => {
  const message = { content: 'hi' }
  expect((await runModule(folder, 'chat:before_ai', { message }, { word: 'servus' })).result.directResponse).toBe('servus')
  expect((await runModule(folder, 'agent:created', { agent: { id: 'a1' } })).extractions).toEqual([{ type: 'agent', data: { id: 'a1' } }])
})

test.each([
  ['an unknown hook', 'chat:before_a', {}, {}, { code: 'NOT_FOUND', message: expect.stringContaining('did you mean "chat:before_ai"') }],
  ['a context that does not fit', 'agent:created', {}, {}, { code: 'INVALID' }],
  ['a configuration that does not fit', 'chat:before_ai', {}, { word: 1 }, { code: 'INVALID', message: expect.stringContaining('word') }],
  ['what it throws', 'chat:before_ai', { message: { content: 'throw' } }, {}, { code: 'MODULE_FAILED', message: 'RangeError: as asked' }],
  ['a limit', 'chat:before_ai', { message: { content: 'loop' } }, {}, { code: 'CPU_LIMIT' }],
])('%s is thrown', async (_, hook, context, config, error) => {
  await expect(runModule(folder, hook, context, config)).rejects.toMatchObject(error)
})
