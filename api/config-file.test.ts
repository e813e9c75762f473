import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadConfig } from './config.ts'
import { readConfigFile } from './config-file.ts'

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-file-'))
  file = join(folder, 'bulkhead.yaml')
})
afterAll(() => rm(folder, { recursive: true }))

async function read(text: string | Uint8Array): Promise<ReturnType<typeof readConfigFile>> {
  await writeFile(file, text)
  const { config, faults } = readConfigFile(file)
  return { config, faults: faults.map((fault) => fault.replace(`${file}:`, '')) }
}

it('reads the hooks of an application and how events are tried again', async () => {
  const { config, faults } = await read(`
hooks:
  order:placed:
    mode: event
    about: an order was placed
    context:
      properties: { order: { type: string } }
      required: [order]
  session:end: { mode: event }
events: { attempts: 5, retryMs: 2000 }
`)
  expect(faults).toEqual([])
  expect(config).toMatchObject({ hooks: { 'order:placed': { mode: 'event' }, 'session:end': { mode: 'event' } }, events: { attempts: 5, retryMs: 2000 } })
  expect(Object.isFrozen(config.hooks['order:placed']?.context)).toBe(true)
  expect(loadConfig({ BULKHEAD_MODULES: folder, BULKHEAD_CONFIG: file })).toMatchObject(config)
})

it('may say nothing', async () => {
  expect(await read('{}')).toEqual({ config: { hooks: {}, events: {}, limits: {}, retention: {} }, faults: [] })
})

it('caps what modules may ask for', async () => {
  expect((await read('limits: { maxMemoryMB: 64, maxCpuMs: 500 }')).config.limits).toEqual({ maxMemoryMB: 64, maxCpuMs: 500 })
  expect((await read('limits: { maxMemory: 64, maxMemoryMB: 7 }')).faults).toEqual([
    '1:11 limits.maxMemory: unknown field, did you mean "maxMemoryMB"?',
    expect.stringMatching(/^1:\d+ limits\.maxMemoryMB: must be at least 8, not 7/),
  ])
})

it('says how long records are kept, those of who did what for thirty days at least', async () => {
  expect((await read('retention: { logsDays: 1, auditDays: 30 }')).config.retention).toEqual({ logsDays: 1, auditDays: 30 })
  expect((await read('retention: { auditDays: 29, extractionsDays: 36501 }')).faults).toEqual([
    expect.stringMatching(/^1:\d+ retention\.auditDays: must be from 30 to 36500, not 29/),
    expect.stringMatching(/^1:\d+ retention\.extractionsDays: must be from 1 to 36500, not 36501/),
  ])
})

it('is refused with every fault and its place', async () => {
  const { faults } = await read(`hook: {}
hooks:
  Order: {}
  a:b: { mode: evnt }
  c:d:
    context:
      properties: { user: {} }
events: { attempts: 0, retryMs: 9 }
`)
  expect(faults).toEqual([
    '1:1 hook: unknown field, did you mean "hooks"?',
    expect.stringMatching(/^3:3 hooks\.Order: must be words of lower-case/),
    '4:16 hooks["a:b"].mode: unknown mode "evnt", did you mean "event"?',
    '7:21 hooks["c:d"].context.properties.user: cannot be declared, every context has its own',
    '8:21 events.attempts: must be from 1 to 100, not 0',
    '8:33 events.retryMs: must be from 10 to 3600000, not 9',
  ])
  const start = () => loadConfig({ BULKHEAD_MODULES: folder, BULKHEAD_CONFIG: file, PORT: 'x' })
  expect(start).toThrow(/7 variables refused|cannot start/)
  expect(start).toThrow(/PORT is "x"[^]*BULKHEAD_CONFIG .*3:3|BULKHEAD_CONFIG .*3:3[^]*PORT is "x"/)
})

it.each([
  ['text', 'hooks', '1:1 must be a mapping, not "hooks"'],
  ['a list of hooks', 'hooks: [a]', '1:8 hooks: must be a mapping of hooks, not ["a"]'],
  ['broken YAML', 'hooks: {', expect.stringMatching(/^1:\d/)],
  ['bytes that are no text', new Uint8Array([0xff, 0xfe, 0xff]), expect.stringContaining('it is not UTF-8 text')],
])('is refused where it is %s', async (_what, text, fault) => {
  expect((await read(text)).faults[0]).toEqual(fault)
})

it('is refused where it is not there', () => {
  expect(readConfigFile(join(folder, 'nothing.yaml')).faults).toEqual([`${join(folder, 'nothing.yaml')}: there is no such file`])
})
