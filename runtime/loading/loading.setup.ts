import { createServer } from 'node:http'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runInThisContext } from 'node:vm'
import { BulkheadError } from '../../bridge/errors.ts'
import { type Artifact, bundleModule, stopBundler } from '../bundle.ts'
import type { BundleFault } from '../bundler/faults.ts'
import type { ImportSources } from './gathering.ts'

export type Files = Record<string, string | Uint8Array>

/** Modules of tests, bundled with imports from where the test says. */
export interface Workshop extends AsyncDisposable {
  /** Writes a module's files. Resolves with its folder. */
  folder(files: Files): Promise<string>
  /** @param cache another one than the others share */
  bundle(folder: string, cache?: string): Promise<Artifact>
  /** What a module exports that consists of these files, run in this process. */
  run(files: Files): Promise<Record<string, unknown>>
  faults(files: Files): Promise<BundleFault[]>
  readonly root: string
}

export async function openWorkshop(imports: () => ImportSources = () => NOWHERE): Promise<Workshop> {
  const root = await mkdtemp(join(tmpdir(), 'bulkhead-loading-'))
  const workshop: Workshop = {
    root,
    async folder(files) {
      const folder = join(await mkdtemp(join(root, 'case-')), 'sample')
      for (const [path, content] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), content)
      }
      return folder
    },
    bundle: (folder, cache = 'cache') => bundleModule({ folder, cache: join(root, cache), imports: imports() }),
    run: async (files) => runArtifact(await workshop.bundle(await workshop.folder(files))),
    async faults(files) {
      const thrown = await workshop.bundle(await workshop.folder(files)).catch((error: unknown) => error)
      if (thrown instanceof BulkheadError && thrown.code === 'BUNDLE_FAILED') return thrown.details as BundleFault[]
      throw new Error('no refusal', { cause: thrown })
    },
    async [Symbol.asyncDispose]() {
      await stopBundler()
      await rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    },
  }
  return workshop
}

/** Registries that nobody can reach. */
const NOWHERE: ImportSources = { npmRegistry: 'http://127.0.0.1:1/', jsrRegistry: 'http://127.0.0.1:1/' }

export async function runArtifact({ code }: Artifact): Promise<Record<string, unknown>> {
  let namespace: Record<string, unknown> | undefined
  await runInThisContext(code)((exported: Record<string, unknown>) => {
    namespace = exported
  })
  if (!namespace) throw new Error('the bundle exported nothing')
  return namespace
}

export interface Page {
  body: string | Uint8Array
  type?: string
  status?: number
  location?: string
}

/** A web server on loopback. */
export interface Site extends AsyncDisposable {
  readonly url: string
  readonly host: string
  readonly pages: Map<string, Page>
  /** What was asked for, as paths. */
  readonly requests: string[]
}

export async function startSite(): Promise<Site> {
  const pages = new Map<string, Page>()
  const requests: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    requests.push(path)
    const page = pages.get(path)
    const headers = { ...(page?.type !== undefined && { 'content-type': page.type }), ...(page?.location !== undefined && { location: page.location }) }
    response.writeHead(page ? (page.status ?? 200) : 404, headers).end(page?.body)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${host}/`,
    host,
    pages,
    requests,
    [Symbol.asyncDispose]() {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
  }
}
