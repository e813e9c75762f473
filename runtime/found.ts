import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BulkheadError } from '../bridge/errors.ts'
import type { Catalogue } from './catalogue.ts'
import type { Log } from './events.ts'
import { readManifest } from './manifest.ts'
import type { Module } from './modules.ts'
import { createTurns } from './turns.ts'

/** The modules that lie in folders of the modules folder. */
export interface Found {
  /** Puts every folder on the list. */
  all(): Promise<void>
  /**
   * A folder came, or is what one was renamed to: its module is on the list, by its manifest's name where it has a
   * readable one.
   *
   * @returns the module, undefined where there is no such folder, or none that may hold a module
   */
  add(child: string): Promise<Module | undefined>
  /**
   * A folder is gone: its module finishes its calls and is forgotten. What was decided about it and its data stay.
   *
   * @returns modules that had been kept out by its name
   */
  remove(child: string): Promise<Module[]>
}

interface FoundOptions {
  folder: string
  catalogue: Catalogue
  log: Log
  modules: ReadonlyMap<string, Module>
  add(name: string, folder: string, shipped: boolean): Module
  forget(module: Module): Promise<void>
}

const OWN_FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../modules')
/** Those of the project's own folder that nobody else wrote. */
const SHIPPED = new Set([
  'audit', 'event-bus', 'formatter', 'heartbeat', 'metrics-collector', 'parser', 'pii-filter', 'safety-filter', 'struggle-detector',
])

export function openFound({ folder, catalogue, log, modules, add, forget }: FoundOptions): Found {
  const turns = createTurns()
  const at = (place: string) => [...modules.values()].find((module) => module.home === place)
  const isShipped = async (child: string) =>
    SHIPPED.has(child) && (await realpath(folder).catch(() => '')) === (await realpath(OWN_FOLDER).catch(() => undefined))

  async function addFolder(child: string): Promise<Module | undefined> {
    const place = join(folder, child)
    if (child.startsWith('.') || !(await isFolder(place))) return undefined
    const manifest = await readManifest(place, catalogue).catch(() => undefined)
    const shipped = await isShipped(child)
    const known = at(place)
    // Without a readable manifest it goes on to be what it was.
    if (known && (!manifest || manifest.name === known.supervisor.name)) return known
    if (known) await forget(known)
    const name = manifest?.name ?? child
    const holder = modules.get(name)
    if (holder?.home !== undefined && !(await isFolder(holder.home))) {
      holder.home = place
      return holder
    }
    if (!holder) {
      const module = add(name, place, shipped)
      module.manifest = manifest
      return module
    }
    const double = add(`${child} (${place})`, place, false)
    double.isDouble = true
    double.supervisor.refuse(new BulkheadError('CONFLICT', `cannot load ${place}, the name "${name}" is taken by ${holder.home ?? "an installed module"}`))
    return double
  }

  async function removeFolder(child: string): Promise<Module[]> {
    const module = at(join(folder, child))
    if (!module || (await isFolder(join(folder, child)))) return []
    await forget(module)
    const doubles = [...modules.values()].filter(({ isDouble }) => isDouble)
    const added = await Promise.all(doubles.map((double) => addFolder(basename(double.home ?? ''))))
    return added.filter((one) => one !== undefined).filter(({ isDouble }) => !isDouble)
  }

  return {
    all: () => turns.take(async () => void (await Promise.all((await foldersIn(folder, log)).map(addFolder)))),
    add: (child) => turns.take(() => addFolder(child)),
    remove: (child) => turns.take(() => removeFolder(child)),
  }
}

/** Or a link to one, which only the operator can have made. */
function isFolder(place: string): Promise<boolean> {
  return stat(place).then((found) => found.isDirectory(), () => false)
}

async function foldersIn(folder: string, log: Log): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.'))
  } catch (thrown) {
    log.warn({ folder }, `no modules, the folder cannot be read: ${(thrown as NodeJS.ErrnoException).code ?? 'unknown'}`)
    return []
  }
}
