import type { Log } from './events.ts'
import type { Module } from './modules.ts'
import type { ModuleStates, SwitchedOff } from './store/module-states.ts'
import type { Versions } from './versions.ts'

type States = ReadonlyMap<string, SwitchedOff>

/** Follows what other hosts decide about versions, and whether modules are on, until it is disposed. */
export interface Following extends AsyncDisposable {
  /** @param off which modules are off by what is running already */
  start(off: States): void
  /** This host itself has switched a module on: there is nothing to follow. */
  enabled(name: string): void
}

interface FollowingOptions {
  versions: Pick<Versions, 'catchUp'>
  modules: ReadonlyMap<string, Module>
  /** Does about a module what its head says now. Done again where it throws. */
  follow(name: string): Promise<void>
  states: Pick<ModuleStates, 'disabled'>
  /** Does about a module that it is off now, or on again. Done again where it throws. */
  switched(name: string, off: SwitchedOff | undefined): Promise<void>
  log: Log
}

/** How often the database is asked whether another host has changed something, ms. */
const FOLLOW_MS = 2_000

export function openFollowing({ versions, modules, follow, states, switched, log }: FollowingOptions): Following {
  /** Modules of which another host has changed something, until that was followed. */
  const behind = new Set<string>()
  const turned = new Set<string>()
  let known = new Map<string, SwitchedOff>()
  /** Switched on by this host since the database was asked last. */
  const enabled = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let followed: Promise<void> | undefined

  async function followNow(): Promise<void> {
    for (const name of await versions.catchUp()) behind.add(name)
    for (const { fault, supervisor } of modules.values()) if (fault?.code === 'STORE_FAILED') behind.add(supervisor.name)
    await Promise.all([...behind].map((name) => follow(name).then(() => behind.delete(name))))
    for (const name of await switches()) turned.add(name)
    await Promise.all([...turned].map((name) => switched(name, known.get(name)).then(() => turned.delete(name))))
  }

  /**
   * By what was known before, and not by what runs: a module that has just been put into quarantine is off before the
   * database says so.
   */
  async function switches(): Promise<string[]> {
    enabled.clear()
    const now = new Map(await states.disabled())
    for (const name of enabled) now.delete(name)
    const before = known
    known = now
    return [...new Set([...before.keys(), ...known.keys()])].filter((name) => JSON.stringify(before.get(name)) !== JSON.stringify(known.get(name)))
  }

  function begin(): void {
    followed ??= followNow()
      .catch((thrown: Error) => log.warn({ error: thrown.message }, 'cannot follow what another host has changed, trying again'))
      .then(() => (followed = undefined))
  }

  return {
    start(off) {
      known = new Map(off)
      timer ??= setInterval(begin, FOLLOW_MS).unref()
    },
    enabled(name) {
      known.delete(name)
      enabled.add(name)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await followed
    },
  }
}
