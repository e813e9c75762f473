import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { create } from 'tar'

/** An npm registry on loopback, of packages that are in node_modules. */
export interface Registry extends AsyncDisposable {
  /** With a slash at its end. */
  readonly url: string
}

export async function startRegistry(): Promise<Registry> {
  const archives = new Map<string, Promise<Buffer>>()
  const archiveOf = (name: string): Promise<Buffer> => {
    const known = archives.get(name) ?? pack(name)
    archives.set(name, known)
    return known
  }
  const server = createServer(async (request, response) => {
    try {
      const [path = ''] = decodeURIComponent(request.url ?? '').slice(1).split('?')
      if (path.endsWith('.tgz')) return void response.end(await archiveOf(path.slice(0, -'.tgz'.length)))
      const manifest = JSON.parse(await readFile(join('node_modules', path, 'package.json'), 'utf8')) as { version: string; dependencies?: object; bin?: object; exports?: object }
      const archive = await archiveOf(path)
      const integrity = `sha512-${createHash('sha512').update(archive).digest('base64')}`
      const shasum = createHash('sha1').update(archive).digest('hex')
      const version = { ...manifest, dist: { tarball: `${url}${path}.tgz`, integrity, shasum } }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ name: path, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: version }, time: { [manifest.version]: '2020-01-01T00:00:00.000Z' } }))
    } catch {
      response.statusCode = 404
      response.end('{}')
    }
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function pack(name: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  const stream = create({ gzip: true, cwd: join('node_modules', name), prefix: 'package', portable: true, filter: (path) => !path.includes('node_modules') }, ['.'])
  for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}
