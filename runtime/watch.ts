import { realpath, stat } from 'node:fs/promises'
import { type ChildWatch, foldersIn, watchChildren, type WatchOptions } from './watch-children.ts'

const ROOT_MS = 2_000

/**
 * Tells what becomes of the folders of a folder until it is disposed: what was dropped in, changed, renamed, deleted.
 * A save is told once, however the editor writes it. A link to a folder is followed, links within are not: what they
 * lead to inside the folder is seen there, and what is outside is no part of a module. Where another folder takes the
 * place of the whole one, as where releases are switched by a link, all of it is looked at again.
 *
 * @returns once everything is watched
 * @example await using watching = await watchFolders({ folder: 'modules', found: modules.found, gone: modules.gone, log })
 */
export async function watchFolders(options: WatchOptions): Promise<AsyncDisposable> {
  const { folder, log, rootMs = ROOT_MS } = options
  let identity = await identify(folder)
  const known = new Set(identity ? await foldersIn(identity.root) : [])
  let watching: ChildWatch | undefined = identity && (await watchChildren(identity.root, known, options))
  if (!identity) log.warn({ folder }, 'the modules folder is not watched, as there is none')
  let closed = false
  let changing: Promise<void> | undefined

  // There is no event for that which every system has.
  const timer = setInterval(() => {
    changing ??= follow()
      .catch((thrown: Error) => log.error({ folder, error: thrown.message }, 'cannot watch the modules folder'))
      .then(() => (changing = undefined))
  }, rootMs).unref()

  async function follow(): Promise<void> {
    const now = await identify(folder)
    if (closed || now === undefined || (now.root === identity?.root && now.node === identity.node)) return
    await watching?.[Symbol.asyncDispose]()
    watching = await watchChildren(now.root, known, options)
    watching.lookAtAll()
    identity = now
  }

  return {
    async [Symbol.asyncDispose]() {
      closed = true
      clearInterval(timer)
      await changing
      await watching?.[Symbol.asyncDispose]()
    },
  }
}

async function identify(folder: string): Promise<{ root: string; node: string } | undefined> {
  try {
    const root = await realpath(folder)
    const { dev, ino } = await stat(root)
    return { root, node: `${dev} ${ino}` }
  } catch {
    return undefined
  }
}
