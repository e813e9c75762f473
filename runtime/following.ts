import type { Log } from './events.ts'
import type { Module } from './modules.ts'
import type { Versions } from './versions.ts'

/** Follows what other hosts decide about versions until it is disposed. */
export interface Following extends AsyncDisposable {
  start(): void
}

interface FollowingOptions {
  versions: Pick<Versions, 'catchUp'>
  modules: ReadonlyMap<string, Module>
  /** Does about a module what its head says now. Done again where it throws. */
  follow(name: string): Promise<void>
  log: Log
}

/** How often the database is asked whether another host has changed which versions run, ms. */
const FOLLOW_MS = 2_000

export function openFollowing({ versions, modules, follow, log }: FollowingOptions): Following {
  /** Modules of which another host has changed something, until that was followed. */
  const behind = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let followed: Promise<void> | undefined

  async function followNow(): Promise<void> {
    for (const name of await versions.catchUp()) behind.add(name)
    for (const { fault, supervisor } of modules.values()) if (fault?.code === 'STORE_FAILED') behind.add(supervisor.name)
    await Promise.all([...behind].map((name) => follow(name).then(() => behind.delete(name))))
  }

  function begin(): void {
    followed ??= followNow()
      .catch((thrown: Error) => log.warn({ error: thrown.message }, 'cannot follow what another host has changed, trying again'))
      .then(() => (followed = undefined))
  }

  return {
    start: () => void (timer ??= setInterval(begin, FOLLOW_MS).unref()),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await followed
    },
  }
}
