import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { TestRegistry } from './registry.setup.ts'
import { tarball } from './tarball.setup.ts'

/**
 * Puts packages that npm has installed here, and those that they depend on, into a registry on loopback, so that tests
 * can import real ones.
 *
 * @example await publishInstalled(registry, 'hono', 'zod') // then `import { Hono } from 'npm:hono'`
 */
export async function publishInstalled(registry: TestRegistry, ...names: string[]): Promise<void> {
  const published = new Set<string>()
  const publish = async (name: string, near: string): Promise<void> => {
    const folder = folderOf(name, near)
    if (folder === undefined || published.has(folder)) return
    published.add(folder)
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string; dependencies?: Record<string, string> }
    const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    const own = files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => !relative(folder, path).startsWith('node_modules'))
    const entries = await Promise.all(own.map(async (path) => ({ path: `package/${relative(folder, path)}`, content: await readFile(path) })))
    registry.publish({ name, version: manifest.version, manifest: { ...manifest }, archive: tarball(entries) })
    for (const dependency of Object.keys(manifest.dependencies ?? {})) await publish(dependency, folder)
  }
  for (const name of names) {
    await publish(name, resolve('.'))
    if (published.size === 0) throw new Error(`${name} is not installed`)
  }
}

/** As Node looks for it: in the node_modules of each folder upwards. */
function folderOf(name: string, near: string): string | undefined {
  for (let folder = near; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (folder === dirname(folder)) return undefined
  }
}
