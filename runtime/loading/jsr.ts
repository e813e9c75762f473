import { maxSatisfying, valid as isVersion, validRange } from 'semver'
import { BulkheadError } from '../../bridge/errors.ts'
import type { PackageRequest } from '../bundler/specifiers.ts'
import type { RemoteFiles } from './remote-files.ts'

export interface JsrVersion {
  name: string
  version: string
  /** SHA-256 of the registry's description of this version, by which all of its files are pinned. */
  integrity: string
  /** The address of its files, with `/` at the end. */
  base: string
  exports: Record<string, string>
  /** SHA-256 in hexadecimal, by path with `/` before it. */
  checksums: Record<string, string>
}

export interface Jsr {
  /**
   * @param pinned the version and the hash that a lock has
   * @throws BulkheadError `NOT_FOUND`, `INVALID`, `UNAVAILABLE`
   */
  find(request: PackageRequest, pinned: { version?: string | undefined; integrityOf(version: string): string | undefined }): Promise<JsrVersion>
}

/**
 * Packages of a registry with JSR's interface: `/@scope/name/meta.json` lists the versions, `/@scope/name/1.0.0_meta.json`
 * tells what one exports and the hash of each of its files.
 *
 * @param registry its address, with `/` at the end
 */
export function openJsr(registry: string, files: RemoteFiles): Jsr {
  async function read(url: string, what: string, expected?: string, isFresh = false): Promise<{ json: Record<string, unknown>; hash: string }> {
    const found = await files.fetch(url, expected, isFresh).catch((thrown: BulkheadError) => {
      throw thrown.code === 'NOT_FOUND' ? new BulkheadError('NOT_FOUND', `the registry has no ${what}`) : thrown
    })
    if ('redirect' in found) throw new BulkheadError('INVALID', `cannot fetch ${what}, the registry leads elsewhere`)
    try {
      const json: unknown = JSON.parse((await files.read(found)).toString())
      if (typeof json === 'object' && json !== null) return { json: json as Record<string, unknown>, hash: found.hash }
    } catch {}
    throw new BulkheadError('INVALID', `cannot fetch ${what}, what the registry sent makes no sense`)
  }

  async function versionOf({ name, range }: PackageRequest): Promise<string> {
    const { json } = await read(`${registry}${name}/meta.json`, `JSR package "${name}"`, undefined, true)
    const known = Object.entries((json['versions'] ?? {}) as Record<string, { yanked?: boolean }>)
    const versions = known.filter(([, { yanked }]) => yanked !== true).map(([version]) => version)
    const found = validRange(range) === null ? null : maxSatisfying(versions, range)
    if (found) return found
    const latest = maxSatisfying(versions, '*')
    throw new BulkheadError('NOT_FOUND', `JSR package "${name}" has no version "${range}"${latest ? `, the latest is ${latest}` : ''}`)
  }

  return {
    async find(request, { version: locked, integrityOf }) {
      // A lock is the author's: what it calls a version would be a path of the registry's, which may be a private one.
      if (locked !== undefined && isVersion(locked) === null) throw new BulkheadError('INVALID', `cannot fetch JSR package "${request.name}", ${JSON.stringify(locked.slice(0, 100))} in the lock is no version`)
      const version = locked ?? (await versionOf(request))
      const what = `JSR package "${request.name}@${version}"`
      const { json, hash } = await read(`${registry}${request.name}/${version}_meta.json`, what, integrityOf(version))
      return {
        name: request.name,
        version,
        integrity: hash,
        base: `${registry}${request.name}/${version}/`,
        exports: textsOf(json['exports']),
        checksums: Object.fromEntries(
          Object.entries((json['manifest'] ?? {}) as Record<string, { checksum?: unknown }>).map(([path, { checksum }]) => [path, String(checksum).replace(/^sha256-/, '')]),
        ),
      }
    },
  }
}

function textsOf(exports: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries((exports ?? {}) as Record<string, unknown>).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
