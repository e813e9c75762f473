import { BulkheadError } from '../../bridge/errors.ts'
import type { Trust } from '../../runtime/cell-client.ts'
import type { Cells } from '../../runtime/cells.ts'
import { type Instance, placeInstance, type Version } from '../../runtime/instance.ts'
import type { Context } from '../../runtime/pipeline.ts'

/** A module that is placed anew, at once and however often, whenever a call finds it gone: no supervisor spares it. */
export interface Resident {
  /** Rejects with what ended the call; a call that never ran because the module had gone is made once more. */
  call(context: Context): Promise<string>
  readonly placements: number
  instance(): Promise<Instance>
}

export interface Home {
  cells: Cells
  /** Asked at each placement. */
  trust(): Trust
}

let placed = 0

export function openResident(version: Version, { cells, trust }: Home): Resident {
  let current: Promise<Instance> | undefined
  let placements = 0

  async function place(): Promise<Instance> {
    placements++
    const cell = await cells.cellFor(trust())
    return (await placeInstance(`${version.manifest.name}~${++placed}`, version, cell)).instance
  }

  async function instance(): Promise<Instance> {
    const asked = (current ??= place())
    try {
      const { key, cell } = await asked
      if (cell.instances.has(key) && !cell.doomed && cells.all().includes(cell)) return asked
      if (current === asked) current = undefined
      return await instance()
    } catch (thrown) {
      if (current === asked) current = undefined
      throw thrown
    }
  }

  async function callOnce(context: Context): Promise<string> {
    const text = JSON.stringify(context)
    return (await (await instance()).call({ hook: context.hook }, text, version.manifest.limits.maxExecutionMs)).text
  }

  return {
    instance,
    async call(context) {
      const asked = current
      try {
        return await callOnce(context)
      } catch (thrown) {
        if (!(thrown instanceof BulkheadError) || thrown.code !== 'UNAVAILABLE') throw thrown
        if (current === asked) current = undefined
        return callOnce(context)
      }
    },
    get placements() {
      return placements
    },
  }
}
