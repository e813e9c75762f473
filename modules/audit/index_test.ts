import { assert, assertEquals, assertRejects } from '@bulkhead/sdk/testing'
import type { HookContext } from '@bulkhead/sdk'
import type { Entry } from './chain.ts'
import module from './index.ts'

/** A store of records and one key. */
function openStore() {
  const store = { records: [] as Entry[], head: null as Entry | null, version: null as string | null, failing: false }
  const kv = {
    get: async () => ({ key: ['head'], value: store.head, versionstamp: store.version }),
    atomic: () => {
      let [stamp, value] = [null as string | null, null as Entry | null]
      const atomic = {
        check(check: { versionstamp: string | null }) {
          stamp = check.versionstamp
          return atomic
        },
        set(_key: unknown, entry: Entry) {
          value = entry
          return atomic
        },
        commit: async () => {
          if (stamp !== store.version) return { ok: false }
          Object.assign(store, { head: value, version: String(Number(store.version ?? 0) + 1) })
          return { ok: true, versionstamp: store.version }
        },
      }
      return atomic
    },
  }
  const powers = {
    kv,
    db: { getExtractionsByType: async (_type: string, { limit }: { limit: number }) => store.records.slice(-limit).map((data) => ({ data })) },
    log: { warn() {} },
    emit: async (_type: string, entry: Entry) => {
      if (store.failing) throw new Error('away')
      store.records.push(entry)
    },
  }
  const tell = (event: string, hook = 'goal:created') => {
    const context = { ...powers, hook, event: { id: event, attempt: 1 }, timestamp: new Date(), user: { id: 'ann' }, goal: { id: event } }
    return module.handle(hook, context as unknown as HookContext & { config: typeof module.config })
  }
  module.state.clear()
  const { verify } = module.getService()
  const withPowers = verify as unknown as (query: object, powers: object) => ReturnType<typeof verify>
  return { store, tell, verify: () => withPowers({}, powers) }
}

Deno.test('events are written once each, into a chain that is intact', async () => {
  const { store, tell, verify } = openStore()
  for (const event of ['e1', 'e2', 'e2', 'e3']) await tell(event)
  await tell('e4', 'agent:heartbeat')
  assertEquals(store.records.map(({ event }) => event), ['e1', 'e2', 'e3'])
  assertEquals([(await verify()).intact, (await verify()).to], [true, 3])
})

Deno.test('what is changed or missing shows', async () => {
  const { store, tell, verify } = openStore()
  for (const event of ['e1', 'e2', 'e3']) await tell(event)
  store.records.splice(1, 1)
  assertEquals((await verify()).faults, [{ seq: 2, fault: 'it is missing' }])
})

Deno.test('an entry whose record failed is written when the module comes back', async () => {
  const { store, tell, verify } = openStore()
  await tell('e1')
  store.failing = true
  await assertRejects(() => tell('e2') as Promise<void>, 'away')
  store.failing = false
  await tell('e2')
  await tell('e3')
  assertEquals(store.records.map(({ event }) => event), ['e1', 'e2', 'e3'])
  assert((await verify()).intact)
})

Deno.test('a chain that somebody else went on with is read back', async () => {
  const { store, tell, verify } = openStore()
  await tell('e1')
  const mine = module.state.get('tip')
  await tell('e2')
  if (mine) module.state.set('tip', mine)
  await assertRejects(() => tell('e3') as Promise<void>, 'somebody else')
  await tell('e3')
  assertEquals([store.records.map(({ seq }) => seq), (await verify()).intact], [[1, 2, 3], true])
})
