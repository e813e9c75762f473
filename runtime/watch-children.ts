import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { watch } from 'chokidar'
import type { Log } from './events.ts'
import { openSettling } from './settling.ts'
import { isWithin, watchFiles } from './watch-files.ts'

export interface WatchOptions {
  /** The folder whose folders are modules. */
  folder: string
  /** A folder is new, or something in it has changed. Called again for the same one only after it has settled. */
  found(child: string): Promise<void>
  /** A folder is not there any more. Where it has another name now, `found` was called with that before. */
  gone(child: string): Promise<void>
  /** Nothing is told before that; what changes meanwhile is told then. */
  after?: Promise<unknown>
  log: Log
  /** How long a folder has to be quiet before its change is told, ms. */
  quietMs?: number
  open?: typeof watch
  /** How often it is asked whether the folder is still the one that is watched, ms. */
  rootMs?: number
}

/** The folders of one folder, watched. */
export interface ChildWatch extends AsyncDisposable {
  /** Everything may have changed. */
  lookAtAll(): void
}

const QUIET_MS = 100
/** For so long a folder whose changes kept the host from its work is not looked at, ms. */
const FLOOD_MS = 10_000
/** What a folder is called now is noticed by then, ms after it is not found under its old name. */
const RENAME_MS = 200

/** Watches the folders of one folder, which it goes on to be even where its name leads elsewhere. See `watchFolders`. */
export async function watchChildren(root: string, known: Set<string>, { found, gone, after, log, quietMs = QUIET_MS, open }: WatchOptions): Promise<ChildWatch> {
  /** Where the children that are links lead to. */
  const targets = new Map<string, string>()
  for (const child of known) {
    const target = await targetOf(child)
    if (target !== undefined) targets.set(child, target)
  }
  let closed = false
  const pauses = new Map<string, NodeJS.Timeout>()
  const settling = openSettling({
    quietMs,
    onRestless: lookAway,
    deal: (child) => deal(child).catch((thrown: Error) => log.error({ folder: child, error: thrown.message }, 'cannot follow a change of a module')),
  })
  const outside = [...new Set(targets.values())].filter((target) => !isWithin(target, root))
  const files = await watchFiles({
    folders: [root, ...outside],
    log,
    ...(open && { open }),
    onChange(path) {
      for (const child of childrenAt(path)) settling.note(child)
    },
    onGap: lookAtAll,
    onFlood(path) {
      log.warn({ path }, `so much changes there that nobody else is heard; it is looked at again in ${FLOOD_MS / 1000} s`)
      for (const child of childrenAt(path)) lookAway(child, FLOOD_MS)
    },
  })

  // Dropped in before all of it was watched.
  for (const child of await foldersIn(root)) {
    if (!known.has(child)) settling.note(child)
  }

  function lookAtAll(): void {
    for (const child of known) settling.note(child)
  }

  function childrenAt(path: string): string[] {
    const linked = [...targets].filter(([, target]) => isWithin(path, target)).map(([child]) => child)
    const [child = ''] = isWithin(path, root) ? relative(root, path).split(sep, 1) : []
    return child === '' ? linked : [child, ...linked]
  }

  /** A flood of changes would keep the host itself from its work. What a link leads to goes on to be watched. */
  function lookAway(child: string, forMs: number): void {
    if (targets.has(child) || pauses.has(child)) return
    files.remove(join(root, child))
    const timer = setTimeout(() => {
      pauses.delete(child)
      files.add(join(root, child))
      settling.note(child)
    }, forMs)
    pauses.set(child, timer)
  }

  async function deal(child: string): Promise<void> {
    await after
    if (closed) return
    if (await isFolder(join(root, child))) {
      await follow(child)
      // Not yet a module: somebody has only begun to write one.
      if (!known.has(child) && !(await exists(join(root, child, 'module.yaml')))) return
      known.add(child)
      await found(child)
    } else if (known.has(child)) {
      await new Promise((resolve) => setTimeout(resolve, RENAME_MS))
      const others = settling.waiting().filter((other) => other !== child)
      const present = await Promise.all(others.map((other) => isFolder(join(root, other))))
      await Promise.all(others.filter((_, at) => present[at]).map(settling.settle))
      if (closed) return
      if (await isFolder(join(root, child))) return settling.note(child)
      known.delete(child)
      unfollow(child)
      await gone(child)
    }
  }

  async function targetOf(child: string): Promise<string | undefined> {
    const path = join(root, child)
    const isLink = await lstat(path).then((status) => status.isSymbolicLink(), () => false)
    const target = isLink ? await realpath(path).catch(() => undefined) : undefined
    if (target === undefined || !isWithin(root, target)) return target
    log.warn({ folder: child }, 'a link to what holds the modules folder is not watched')
    return undefined
  }

  async function follow(child: string): Promise<void> {
    const target = await targetOf(child)
    if (closed || target === targets.get(child)) return
    unfollow(child)
    if (target === undefined) return
    const isWatched = isWithin(target, root) || [...targets.values()].includes(target)
    targets.set(child, target)
    if (!isWatched) files.add(target)
  }

  function unfollow(child: string): void {
    const target = targets.get(child)
    targets.delete(child)
    if (target === undefined || isWithin(target, root)) return
    const isShared = [...targets.values()].some((other) => isWithin(other, target) || isWithin(target, other))
    if (!isShared) files.remove(target)
  }

  return {
    lookAtAll,
    async [Symbol.asyncDispose]() {
      closed = true
      for (const timer of pauses.values()) clearTimeout(timer)
      settling[Symbol.dispose]()
      await files[Symbol.asyncDispose]()
    },
  }
}

export async function foldersIn(root: string): Promise<string[]> {
  const names = (await readdir(root)).filter((name) => !name.startsWith('.'))
  const are = await Promise.all(names.map((name) => isFolder(join(root, name))))
  return names.filter((_, at) => are[at])
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then((status) => status.isDirectory(), () => false)
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => true, () => false)
}
