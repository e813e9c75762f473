import { isAbsolute, relative, resolve, sep } from 'node:path'
import { BulkheadError } from '../../bridge/errors.ts'
import type { NamedSettings } from '../../runtime/bundler/settings.ts'
import type { RunningScript } from '../../runtime/run-script.ts'
import { UPGRADED } from '../../runtime/serve-module.ts'
import { listen } from '../server.ts'
import type { ScriptFlags } from './script-flags.ts'

const DRAIN_MS = 1_000

/**
 * The files that are named to be read in the place of the folder's own deno.json and import map.
 *
 * @throws BAD_REQUEST for one outside of the folder: nothing there is read
 * @example settingsOf({ 'import-map': 'lib/map.json' }, process.cwd()) // { importMap: 'lib/map.json' }
 */
export function settingsOf(flags: ScriptFlags['flags'], folder: string): NamedSettings {
  const named = (flag: string): string | undefined => {
    const given = flags[flag]
    if (typeof given !== 'string') return undefined
    const path = relative(folder, resolve(given)).split(sep).join('/')
    if (path !== '' && path !== '..' && !path.startsWith('../') && !isAbsolute(path)) return path
    throw new BulkheadError('BAD_REQUEST', `--${flag}=${given} cannot be given, it lies outside of ${folder}, where nothing is read`)
  }
  const [config, importMap] = [named('config'), named('import-map')]
  return { ...(config !== undefined && { config }), ...(importMap !== undefined && { importMap }) }
}

/** Serves a script's requests on this machine alone, whatever address it asked for. */
export async function listenFor({ listen: wanted, fetch }: RunningScript): Promise<AsyncDisposable & { port: number }> {
  const server = await listen({
    host: '127.0.0.1',
    port: wanted?.port ?? 0,
    drainMs: DRAIN_MS,
    async fetch(request, { upgrade }) {
      const { status, statusText, headers, body } = await fetch({
        method: request.method,
        url: request.url,
        headers: [...request.headers],
        body: request.body,
        remote: { hostname: '127.0.0.1', port: 0 },
        signal: request.signal,
        ...(upgrade && { upgrade }),
      })
      if (status === UPGRADED) return new Response(null)
      return new Response(body as ConstructorParameters<typeof Response>[0], { status, statusText, headers })
    },
  })
  return server
}
