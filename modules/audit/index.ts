import { defineModule, type HookContext } from '@bulkhead/sdk'
import { type Entry, type Fault, inOrder, seal, verify } from './chain.ts'

const TYPE = 'audit'
const HEAD = ['head']
/** Events that may come again; the newest entries are read back after a restart. */
const KNOWN = 200
const MOST = 1_000

/** What other modules may ask. */
export interface Audit {
  /** Looks at the newest `limit` entries, 1,000 unless given. */
  verify(query?: { limit?: number }): Promise<Verified>
  head(): Pick<Entry, 'seq' | 'hash'> | null
}

export interface Verified {
  intact: boolean
  entries: number
  from: number | null
  to: number | null
  head: string | null
  faults: Fault[]
}

interface Tip {
  head: Entry | undefined
  /** Changes with every write of the head, so that two writers cannot both go on from it. */
  versionstamp: string | null
  known: string[]
}

type Store = Pick<HookContext, 'db' | 'kv' | 'emit' | 'log'>

export default defineModule({
  config: { enabled: true, except: ['agent:heartbeat'] },
  state: new Map<string, Tip>(),

  async handle(hook, ctx): Promise<void> {
    const { enabled, except } = this.config
    if (!enabled || except.includes(hook)) return
    const event = ctx.event?.id ?? ctx.requestId
    const { head, versionstamp, known } = await this.tip(ctx)
    if (known.includes(event)) return
    const entry = seal(head, { at: ctx.timestamp.toISOString(), hook, event, user: ctx.user.id }, ctx)
    // Forgotten until both are written: what fails in between is read back and finished by whoever comes next.
    this.state.delete('tip')
    const written = await ctx.kv.atomic().check({ key: HEAD, versionstamp }).set(HEAD, entry).commit()
    if (!written.ok) throw new Error('cannot go on with the chain, somebody else has')
    await ctx.emit(TYPE, { ...entry })
    this.state.set('tip', { head: entry, versionstamp: written.versionstamp, known: [...known, event].slice(-KNOWN) })
  },

  /** The end of the chain: remembered, or read back from the store. */
  async tip(store: Store): Promise<Tip> {
    const remembered = this.state.get('tip')
    if (remembered) return remembered
    const { value, versionstamp } = await store.kv.get<Entry>(HEAD)
    const entries = await read(store, KNOWN)
    const last = entries.at(-1)
    if (value && last?.hash !== value.hash) {
      store.log.warn('writing the last entry again, its record is not there', { seq: value.seq })
      await store.emit(TYPE, { ...value })
    }
    const tip = { head: value ?? undefined, versionstamp, known: [...entries.map(({ event }) => event), ...(value ? [value.event] : [])].slice(-KNOWN) }
    this.state.set('tip', tip)
    return tip
  },

  getService(): Audit {
    return {
      verify: async (...given: unknown[]) => {
        // Behind what the caller gave, which may be nothing.
        const powers = given.at(-1) as Store
        const { limit } = given[0] as { limit?: unknown }
        const { head } = await this.tip(powers)
        const most = typeof limit === 'number' ? Math.min(MOST, Math.max(1, Math.trunc(limit))) : MOST
        const entries = await read(powers, most)
        const faults = verify(entries, head)
        const [from, to] = [entries[0]?.seq ?? null, entries.at(-1)?.seq ?? null]
        return { intact: faults.length === 0, entries: entries.length, from, to, head: head?.hash ?? null, faults }
      },
      head: () => {
        const head = this.state.get('tip')?.head
        return head ? { seq: head.seq, hash: head.hash } : null
      },
    }
  },
})

async function read({ db }: Pick<Store, 'db'>, limit: number): Promise<Entry[]> {
  const records = await db.getExtractionsByType(TYPE, { limit })
  return inOrder(records.map(({ data }) => data as unknown as Entry))
}
