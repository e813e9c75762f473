import { relative, sep } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'
import type { Log } from './events.ts'

export interface FileWatch extends AsyncDisposable {
  add(folder: string): void
  remove(folder: string): void
}

interface FileWatchOptions {
  folders: readonly string[]
  /** Something is other than it was at this path. */
  onChange(path: string): void
  /** What changed for a moment may have gone unseen. */
  onGap(): void
  /** So much changes at this path that the host does nothing else; it looks away for a moment. */
  onFlood(path: string): void
  log: Log
  open?: typeof watch
}

const POLL_MS = 1_000
/**
 * libuv reads what the kernel tells until nothing is left. Where changes come faster than they are heard of, it never
 * comes to an end (one process that wrote without pause held the loop up for 4 s, three for 24 s): past both in one turn
 * of the loop, the watch is closed from within.
 */
const TURN_MS = 100
const TURN_CHANGES = 1_000
const AWAY_MS = 1_000
const DEPTH = 16
const OUT_OF_WATCHES: ReadonlySet<string> = new Set(['ENOSPC', 'EMFILE', 'ENFILE'])

/**
 * Watches what is in folders, but not what only tools write: `node_modules`, names that begin with a dot, backups of
 * editors. Links are not followed. Where the system has no watches left it looks at the files now and then instead.
 *
 * @returns once all of it is watched
 */
export async function watchFiles({ folders, onChange, onGap, onFlood, log, open = watch }: FileWatchOptions): Promise<FileWatch> {
  const roots = new Set(folders)
  const removed = new Set<string>()
  let watcher: FSWatcher
  let closed = false
  let reopening: NodeJS.Timeout | undefined

  const isIgnored = (path: string): boolean => {
    if (removed.values().some((one) => isWithin(path, one))) return true
    const root = [...roots].find((one) => isWithin(path, one))
    const names = root === undefined || root === path ? [] : relative(root, path).split(sep)
    return names.length > DEPTH || names.some(isOfTools)
  }

  function start(backend: 'auto' | 'polling'): Promise<void> {
    const opened = (watcher = open([...roots], {
      backend,
      pollingInterval: POLL_MS,
      pollingBinaryInterval: POLL_MS,
      followSymlinks: false,
      ignoreInitial: true,
      ignorePermissionErrors: true,
      atomic: false, // whoever listens waits for the other half of a save
      ignored: isIgnored,
    }))
    let turn: { since: number; changes: number } | undefined
    const isFlood = () => {
      if (!turn) setImmediate(() => (turn = undefined))
      turn ??= { since: performance.now(), changes: 0 }
      return ++turn.changes > TURN_CHANGES && performance.now() - turn.since > TURN_MS
    }
    return new Promise((resolve) => {
      opened.on('ready', resolve)
      opened.on('all', (_, path) => onChange(path))
      opened.on('raw', (_, __, details) => {
        if (watcher !== opened || closed || reopening || !isFlood()) return
        opened.close().catch(() => undefined)
        resolve() // it may never become ready
        reopening = setTimeout(() => {
          reopening = undefined
          void start(backend).then(onGap)
        }, AWAY_MS)
        setImmediate(() => onFlood((details as { watchedPath: string }).watchedPath))
      })
      opened.on('error', (thrown) => {
        const { code = '', message } = thrown as NodeJS.ErrnoException
        if (closed || watcher !== opened) return
        if (backend === 'polling' || !OUT_OF_WATCHES.has(code)) return log.error({ error: message }, 'cannot watch a part of the modules folder')
        const limit = code === 'ENOSPC' ? 'fs.inotify.max_user_watches' : 'fs.inotify.max_user_instances and the limit of open files'
        log.warn({ code }, `the system has no watches left, changes of modules are looked for each ${POLL_MS} ms; raise ${limit}`)
        opened.close().catch(() => undefined)
        void start('polling').then(onGap).then(resolve)
      })
    })
  }

  await start('auto')
  return {
    add(folder) {
      roots.add(folder)
      removed.delete(folder)
      if (!reopening) watcher.add(folder) // which would open what was closed
    },
    remove(folder) {
      roots.delete(folder)
      removed.add(folder)
      if (!reopening) watcher.unwatch(folder)
    },
    [Symbol.asyncDispose]() {
      closed = true
      clearTimeout(reopening)
      return watcher.close()
    },
  }
}

function isOfTools(name: string): boolean {
  return name === 'node_modules' || name.startsWith('.') || /~$|^#.*#$|^4913$/.test(name)
}

/** Whether a path is a folder or in it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
