/** Waits for things to become quiet, each by itself, and deals with one after the other change of the same thing. */
export interface Settling extends Disposable {
  /** Something about it has changed. */
  note(name: string, inMs?: number): void
  /** What has changed and was not dealt with yet. */
  waiting(): string[]
  /** Deals with it now. Where it is being dealt with already, the rest comes after that, which is not waited for. */
  settle(name: string): Promise<void>
}

interface SettlingOptions {
  /** How long it has to be quiet, ms. */
  quietMs: number
  /** Deals with what changed; may not throw. */
  deal(name: string): Promise<void>
  /** It was not quiet for a second, and is dealt with all the same: whoever looks at it may look away for so long, ms. */
  onRestless?(name: string, forMs: number): void
}

const RESTLESS_MS = 1_000
/** One that is never quiet is looked at less and less often, down to each so many ms. */
const MAX_PAUSE_MS = 30_000

export function openSettling({ quietMs, deal, onRestless }: SettlingOptions): Settling {
  const changed = new Map<string, { since: number; timer: NodeJS.Timeout }>()
  const pauses = new Map<string, number>()
  const busy = new Map<string, Promise<void>>()
  let closed = false

  function note(name: string, inMs = quietMs): void {
    if (closed) return
    const now = performance.now()
    const earlier = changed.get(name)
    clearTimeout(earlier?.timer)
    const since = earlier?.since ?? now
    const isQuiet = now + inMs <= since + RESTLESS_MS
    const timer = setTimeout(() => {
      const pause = Math.min(MAX_PAUSE_MS, 2 * (pauses.get(name) ?? RESTLESS_MS / 2))
      if (isQuiet) pauses.delete(name)
      else pauses.set(name, pause)
      void settle(name)
      if (!isQuiet) onRestless?.(name, pause)
    }, isQuiet ? inMs : Math.max(0, since + RESTLESS_MS - now))
    changed.set(name, { since, timer })
  }

  async function settle(name: string): Promise<void> {
    clearTimeout(changed.get(name)?.timer)
    changed.delete(name)
    const running = busy.get(name)
    if (running) return void running.then(() => note(name, 0))
    const work = deal(name).then(() => void busy.delete(name))
    busy.set(name, work)
    await work
  }

  return {
    note,
    settle,
    waiting: () => [...changed.keys()],
    [Symbol.dispose]() {
      closed = true
      for (const { timer } of changed.values()) clearTimeout(timer)
    },
  }
}
