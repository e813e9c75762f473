import { BulkheadError } from '../../bridge/errors.ts'

export interface FlightLimits {
  /** Flights at one time, of all owners; an owner has one. */
  flights: number
  /** Of one flight. */
  batchItems: number
  batchBytes: number
  /** Of what an owner has waiting; one more is refused. */
  queueItems: number
  queueBytes: number
}

/** What became of one item. */
export type Outcome<Result> = { result: Result } | { error: BulkheadError }

interface Waiting<Item, Result> {
  item: Item
  bytes: number
  resolve(result: Result): void
  reject(error: unknown): void
}

interface Owner<Item, Result> {
  name: string
  waiting: Waiting<Item, Result>[]
  bytes: number
  flying: boolean
}

export interface Flights<Item, Result> {
  /** @throws BUSY where too much of the owner's waits; what `fly` answers or throws */
  add(owner: string, item: Item, bytes: number): Promise<Result>
  /** Settles when nothing flies or waits. */
  idle(): Promise<void>
}

/**
 * Shares few connections among many owners: what an owner brings while its flight is away goes with its next one, and
 * an owner who has had a turn waits until the others have had theirs.
 */
export function openFlights<Item, Result>(
  limits: FlightLimits,
  fly: (owner: string, items: Item[]) => Promise<Outcome<Result>[]>,
): Flights<Item, Result> {
  const owners = new Map<string, Owner<Item, Result>>()
  const next: Owner<Item, Result>[] = []
  const idlers = new Set<() => void>()
  let flying = 0

  const depart = () => {
    while (flying < limits.flights) {
      const owner = next.shift()
      if (!owner) break
      flying++
      owner.flying = true
      void flight(owner).finally(() => {
        flying--
        owner.flying = false
        if (owner.waiting.length > 0) next.push(owner)
        else owners.delete(owner.name)
        depart()
      })
    }
    if (owners.size > 0) return
    for (const done of idlers) done()
    idlers.clear()
  }

  async function flight(owner: Owner<Item, Result>): Promise<void> {
    const batch = takeBatch(owner)
    try {
      const outcomes = await fly(owner.name, batch.map(({ item }) => item))
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index] as Outcome<Result>
        if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.result)
      }
    } catch (thrown) {
      for (const { reject } of batch) reject(thrown)
    }
  }

  function takeBatch(owner: Owner<Item, Result>): Waiting<Item, Result>[] {
    let count = 0
    let bytes = 0
    for (const waiting of owner.waiting) {
      if (count === limits.batchItems || (count > 0 && bytes + waiting.bytes > limits.batchBytes)) break
      count++
      bytes += waiting.bytes
    }
    owner.bytes -= bytes
    return owner.waiting.splice(0, count)
  }

  return {
    async add(name, item, bytes) {
      let owner = owners.get(name)
      if (!owner) owners.set(name, (owner = { name, waiting: [], bytes: 0, flying: false }))
      const { waiting } = owner
      if (waiting.length >= limits.queueItems || (waiting.length > 0 && owner.bytes + bytes > limits.queueBytes)) {
        throw new BulkheadError('BUSY', `cannot take this of ${name}, ${waiting.length} of its requests wait already`)
      }
      return new Promise((resolve, reject) => {
        waiting.push({ item, bytes, resolve, reject })
        owner.bytes += bytes
        if (waiting.length === 1 && !owner.flying) next.push(owner)
        depart()
      })
    },
    async idle() {
      if (owners.size > 0) await new Promise<void>((done) => idlers.add(done))
    },
  }
}
