import { randomUUID } from 'node:crypto'
import type { Sql } from 'postgres'
import { answered } from './failures.ts'

/** An event on its way into the database, with the modules that are to be told. */
export interface NewEvent {
  id: string
  hook: string
  /** JSON text. */
  context: string
  modules: string[]
  /** Of these, the ones this host begins with at once. */
  ours: ReadonlySet<string>
}

/** One module to tell of one event; this host's until it is settled. */
export interface Delivery {
  event: string
  module: string
  /** From 1. */
  attempt: number
  /** JSON text. */
  context: string
}

/** What became of a delivery: without more it is done. */
export interface Settled extends Pick<Delivery, 'event' | 'module'> {
  again?: {
    afterMs: number
    /** The module never saw it: the attempt is not counted. */
    unseen: boolean
    /** The last attempt has failed. */
    dead: boolean
    code: string
    message: string
  }
}

/** The deliveries of this host, and those that nobody has. Every statement may be repeated. */
export interface DeliveryRows {
  insert(events: readonly NewEvent[]): Promise<void>
  /** Takes what is due, the oldest first, as many of each module as wanted. */
  claim(wanted: ReadonlyMap<string, number>): Promise<Delivery[]>
  settle(settled: readonly Settled[]): Promise<void>
  /** Gives back what is this host's and not in its hands: a lost connection may have kept it from learning of it. */
  recover(held: ReadonlyArray<Pick<Delivery, 'event' | 'module'>>): Promise<void>
  /** Says that this host lives, and frees what belongs to hosts that do not. */
  beat(): Promise<void>
  /** Buries what could not be delivered for long, and forgets what has been dead for long. */
  sweep(): Promise<void>
  /** Gives back what this host has not begun or not finished. */
  leave(): Promise<void>
}

/** A host that was not seen for so long is held to be gone. Its deliveries may then be made twice. */
const GONE_MS = 15_000
const UNDELIVERED_DAYS = 14
const DEAD_DAYS = 30
const SWEEP_MS = 60_000

/** @param alone whether no other host can be there: whoever was before us is gone, then */
export function openDeliveryRows(sql: Sql, { alone }: { alone: boolean }): DeliveryRows {
  const host = randomUUID()
  let first = alone
  return {
    async insert(events) {
      const rows = events.flatMap(({ id, hook, modules, ours }) => modules.map((module) => ({ id, hook, module, isOurs: ours.has(module) })))
      await answered(sql`
        with stored as (
          insert into bulkhead.events (id, hook, context)
          select * from unnest(${events.map(({ id }) => id)}::uuid[], ${events.map(({ hook }) => hook)}::text[],
            ${events.map(({ context }) => context)}::text[])
          on conflict do nothing
        )
        insert into bulkhead.deliveries (event, hook, module, host, attempt)
        select event, hook, module, case when ours = 1 then ${host}::uuid end, ours
        from unnest(${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ hook }) => hook)}::text[],
          ${rows.map(({ module }) => module)}::text[], ${rows.map(({ isOurs }) => Number(isOurs))}::int[]) as new (event, hook, module, ours)
        on conflict do nothing`)
    },
    async claim(wanted) {
      const rows = await answered(sql<Array<Omit<Delivery, 'context'> & { context: string | null }>>`
        with due as (
          select d.event, d.module
          from unnest(${[...wanted.keys()]}::text[], ${[...wanted.values()]}::int[]) as want (module, count)
          cross join lateral (
            select event, module from bulkhead.deliveries
            where module = want.module and host is null and dead_at is null and due_at <= now()
            order by due_at limit want.count for update skip locked
          ) d
        ), ours as (
          update bulkhead.deliveries d set host = ${host}, attempt = d.attempt + 1
          from due where d.event = due.event and d.module = due.module
          returning d.event, d.module, d.attempt
        )
        select ours.*, e.context from ours left join bulkhead.events e on e.id = ours.event`)
      // An event is kept as long as its deliveries; should one have gone, there is nothing left to tell.
      return rows.map((row) => ({ ...row, context: row.context ?? '' }))
    },
    async settle(settled) {
      const done = settled.filter(({ again }) => !again)
      const again = settled.flatMap(({ event, module, again }) => (again ? [{ event, module, ...again }] : []))
      if (done.length > 0) await answered(remove(done))
      if (again.length > 0) await answered(putBack(again))
    },
    async recover(held) {
      await answered(sql`
        update bulkhead.deliveries d set host = null, attempt = attempt - 1
        where host = ${host} and not exists (
          select from unnest(${held.map(({ event }) => event)}::uuid[], ${held.map(({ module }) => module)}::text[]) as h (event, module)
          where h.event = d.event and h.module = d.module)`)
    },
    async beat() {
      // The one who owns the data folder is alone with it: nobody is waited for.
      if (first) await answered(sql`delete from bulkhead.hosts`)
      first = false
      await answered(sql`
        insert into bulkhead.hosts (id) values (${host}) on conflict (id) do update set seen_at = now()`)
      await answered(sql`delete from bulkhead.hosts where seen_at < now() - ${GONE_MS} * interval '1 ms'`)
      await answered(sql`
        update bulkhead.deliveries d set host = null
        where host is not null and not exists (select from bulkhead.hosts h where h.id = d.host)`)
    },
    async sweep() {
      await answered(sql`
        update bulkhead.deliveries
        set dead_at = now(), code = 'TIMEOUT', message = ${`not delivered within ${UNDELIVERED_DAYS} days`}
        where host is null and dead_at is null and due_at < now() - ${UNDELIVERED_DAYS} * interval '1 day'`, SWEEP_MS)
      await answered(sql`delete from bulkhead.deliveries where dead_at < now() - ${DEAD_DAYS} * interval '1 day'`, SWEEP_MS)
      // Those whose last delivery was removed while the host died.
      await answered(sql`
        delete from bulkhead.events e where created_at < now() - interval '1 hour'
          and not exists (select from bulkhead.deliveries d where d.event = e.id)`, SWEEP_MS)
    },
    async leave() {
      await answered(sql`update bulkhead.deliveries set host = null, attempt = attempt - 1 where host = ${host}`)
      await answered(sql`delete from bulkhead.hosts where id = ${host}`)
    },
  }

  /** A module that was told by two hosts, one being held to be gone, is done when either is. */
  async function remove(done: readonly Settled[]): Promise<void> {
    const events = done.map(({ event }) => event)
    await sql`
      delete from bulkhead.deliveries d using unnest(${events}::uuid[], ${done.map(({ module }) => module)}::text[]) as o (event, module)
      where d.event = o.event and d.module = o.module`
    // On its own, so that of two who remove an event's last deliveries at the same time the later sees that there is none.
    await sql`
      delete from bulkhead.events e where e.id = any(${[...new Set(events)]}::uuid[])
        and not exists (select from bulkhead.deliveries d where d.event = e.id)`
  }

  async function putBack(rows: ReadonlyArray<Pick<Settled, 'event' | 'module'> & NonNullable<Settled['again']>>): Promise<void> {
    await sql`
      update bulkhead.deliveries d set host = null, attempt = d.attempt - o.unseen, code = o.code, message = o.message,
        due_at = now() + o.after_ms * interval '1 ms', dead_at = case when o.dead = 1 then now() end
      from unnest(${rows.map(({ event }) => event)}::uuid[], ${rows.map(({ module }) => module)}::text[],
        ${rows.map(({ afterMs }) => Math.round(afterMs))}::int[], ${rows.map(({ unseen }) => Number(unseen))}::int[],
        ${rows.map(({ dead }) => Number(dead))}::int[], ${rows.map(({ code }) => code)}::text[],
        ${rows.map(({ message }) => message)}::text[]) as o (event, module, after_ms, unseen, dead, code, message)
      where d.event = o.event and d.module = o.module and d.host = ${host}`
  }
}
