import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Caller } from '../bridge/capabilities.ts'
import type { RuntimeEvent } from './events.ts'
import { openTemporary, type TemporaryDatabase } from './store/store.setup.ts'
import { openViolationRows } from './store/violation-rows.ts'
import { MAX_VIOLATIONS, type ViolationPolicy, type Violations, watchViolations } from './violations.ts'

let temporary: TemporaryDatabase
beforeAll(async () => {
  temporary = await openTemporary()
})
afterAll(() => temporary?.[Symbol.asyncDispose]())

const callerOf = (module: string): Caller => ({
  module,
  version: '1.0.0',
  execution: randomUUID(),
  hook: 'chat:before_ai',
  permissions: new Set(),
  hide: (value) => value,
  violated() {},
  chain: [],
  deadline: Infinity,
  asked: new Map(),
  extractions: [],
  atEnd: [],
  nextSeq: () => 0,
})

function watch(policy: ViolationPolicy) {
  const events: RuntimeEvent[] = []
  const denied: string[] = []
  const quarantined: string[] = []
  const violations = watchViolations({
    rows: openViolationRows(temporary.database.sql),
    policy,
    tell: (event) => events.push(event),
    onDenied: (module) => denied.push(module),
    quarantine: (module) => quarantined.push(module),
  })
  return { violations, events, denied, quarantined }
}

const counts = async (violations: Violations, module: string) =>
  Object.fromEntries((await violations.list(module)).map(({ permission, count }) => [permission, count]))

test('a violation counts once for each permission in each execution', async () => {
  const { violations, events } = watch('warn')
  const caller = callerOf('once')
  for (let n = 0; n < 3; n++) violations.note(caller, 'emit')
  violations.note(caller, 'kv')
  violations.note(callerOf('once'), 'emit')
  expect(await counts(violations, 'once')).toEqual({ emit: 2, kv: 1 })
  violations.note(callerOf('once'), 'emit')
  expect(await counts(violations, 'once')).toEqual({ emit: 3, kv: 1 })
  expect(events).toHaveLength(3)
  await violations.close()
})

test('an execution has 20 of them at most, a module 100 that are told apart, and what cannot be printed is not kept', async () => {
  const { violations } = watch('warn')
  const caller = callerOf('many')
  for (let n = 0; n < 21; n++) violations.note(caller, `env:A${n}`)
  expect(Object.keys(await counts(violations, 'many'))).toHaveLength(20)
  for (let n = 0; n < 80; n++) violations.note(callerOf('many'), `env:B${n}`)
  expect(Object.keys(await counts(violations, 'many'))).not.toContain('(others)')
  violations.note(callerOf('many'), 'env:C')
  violations.note(callerOf('many'), 'env:\0\ud800')
  expect(await counts(violations, 'many')).toMatchObject({ '(others)': 2 })
  await violations.close()
})

test('what is told gets less the more there is', async () => {
  const { violations, events } = watch('warn')
  for (let n = 0; n < 1000; n++) violations.note(callerOf('flood'), 'emit')
  expect(events.map((event) => 'count' in event && event.count)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
  expect(await counts(violations, 'flood')).toEqual({ emit: 1000 })
  await violations.close()
})

test.each([['deny' as const], ['quarantine' as const]])('the policy to %s acts at the limit, not before', async (policy) => {
  const { violations, denied, quarantined } = watch(policy)
  const acted = () => (policy === 'deny' ? denied : quarantined)
  for (let n = 1; n < MAX_VIOLATIONS; n++) violations.note(callerOf(policy), 'emit')
  expect(acted()).toEqual([])
  violations.note(callerOf('another'), 'emit')
  expect(acted()).toEqual([])
  violations.note(callerOf(policy), 'emit')
  expect(acted()).toEqual([policy])
  expect(violations.isDenied(policy)).toBe(policy === 'deny')
  await violations.close()
})

test('those of two hosts add up', async () => {
  const [one, other] = [watch('warn').violations, watch('warn').violations]
  one.note(callerOf('both'), 'emit')
  other.note(callerOf('both'), 'emit')
  await one.close()
  await other.close()
  const { violations } = watch('warn')
  expect(await counts(violations, 'both')).toEqual({ emit: 2 })
  await violations.close()
})
