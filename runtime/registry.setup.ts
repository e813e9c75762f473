import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tarball } from './tarball.setup.ts'

interface Published {
  name: string
  version?: string
  /** Beside package.json, which is made of `name`, `version` and `manifest`. */
  files?: Record<string, string>
  manifest?: Record<string, unknown>
  /** In place of the archive that is made of the files. */
  archive?: Buffer
  /** In place of the hashes of the archive. */
  dist?: Record<string, unknown>
}

/** An npm registry on loopback, as far as fetching goes: a document per package, and archives. */
export interface TestRegistry extends AsyncDisposable {
  readonly url: string
  /** What was asked for, as paths. */
  readonly requests: string[]
  /** Makes a version known, as `latest`. Resolves with the integrity of its archive. */
  publish(what: Published): string
  /** Closes the port, as if the network were gone. */
  unplug(): Promise<void>
}

export async function startRegistry(): Promise<TestRegistry> {
  const documents = new Map<string, { versions: Record<string, object>; 'dist-tags': { latest: string }; name: string }>()
  const archives = new Map<string, Buffer>()
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').slice(1)
    requests.push(path)
    const archive = archives.get(path)
    const document = documents.get(path)
    if (archive) return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(archive)
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? { error: 'Not found' }))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  let closing: Promise<void> | undefined

  const registry: TestRegistry = {
    url,
    requests,
    publish({ name, version = '1.0.0', files = {}, manifest = {}, archive, dist }) {
      const packageJson = { name, version, ...manifest }
      const all = { 'package.json': JSON.stringify(packageJson), ...files }
      const content = archive ?? tarball(Object.entries(all).map(([path, text]) => ({ path: `package/${path}`, content: text })))
      const place = `${name}/-/${name.split('/').at(-1)}-${version}.tgz`
      const integrity = `sha512-${createHash('sha512').update(content).digest('base64')}`
      archives.set(place, content)
      const document = documents.get(name) ?? { name, versions: {}, 'dist-tags': { latest: version } }
      document.versions[version] = { ...packageJson, dist: { tarball: url + place, integrity, ...dist } }
      document['dist-tags'].latest = version
      documents.set(name, document)
      return integrity
    },
    unplug() {
      server.closeAllConnections()
      closing ??= new Promise<void>((resolve) => void server.close(() => resolve()))
      return closing
    },
    [Symbol.asyncDispose]: () => registry.unplug(),
  }
  return registry
}
