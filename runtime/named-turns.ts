import { createTurns, type Turns } from './turns.ts'

/** Work about names that takes turns: of one name, one thing at a time. */
export interface NamedTurns {
  take<Result>(name: string, work: () => Promise<Result>): Promise<Result>
}

export function createNamedTurns(): NamedTurns {
  const turns = new Map<string, Turns>()
  return {
    take(name, work) {
      const own = turns.get(name) ?? createTurns()
      turns.set(name, own)
      const done = own.take(work)
      void own.idle().then(() => own.busy || turns.delete(name))
      return done
    },
  }
}
