import type { EventEmitter } from 'node:events'

/** Resolves with the first of these events; with false where none came in time. */
export function firstOf(from: EventEmitter, events: readonly string[], withinMs?: number): Promise<boolean> {
  return new Promise((done) => {
    const settle = (came: boolean) => {
      clearTimeout(timer)
      for (const event of events) from.off(event, onEvent)
      done(came)
    }
    const onEvent = () => settle(true)
    const timer = withinMs === undefined ? undefined : setTimeout(settle, withinMs, false)
    for (const event of events) from.on(event, onEvent)
  })
}
