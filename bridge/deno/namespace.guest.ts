import type { DenoSettings } from '../contract.ts'
import { hostAsk, hostGranted, hostSettings } from '../web/host.guest.ts'
import { hasOwn, parse } from '../primordials.guest.ts'
import { refusal } from '../errors.guest.ts'
import { KvU64, openKv } from '../kv.guest.ts'
import { openCrons } from './cron.guest.ts'
import { openEnv } from './env.guest.ts'
import { denoErrors, notSupported } from './errors.guest.ts'
import { collect, openFiles } from './files.guest.ts'
import { FsFile, SeekMode } from './fs-file.guest.ts'
import { openDenoKv } from './kv.guest.ts'
import { resolvePath } from './paths.guest.ts'
import { openPermissions } from './permissions.guest.ts'
import { exit, registry } from './registry.guest.ts'
import { serve, upgradeWebSocket } from './server.guest.ts'
import { openStdio } from './stdio.guest.ts'
import type { ByteStream } from './streams.guest.ts'
import { openSystem } from './system.guest.ts'
import { openDeclarations } from './declarations.guest.ts'
import { type LentFile, openTree } from './tree.guest.ts'
import { unsupportedMembers } from './unsupported.guest.ts'
import { lazily } from '../web/globals.guest.ts'

type Func = (...args: never[]) => unknown

/** `Deno`, whole: what is served here, and what tells by name that it is not. */
function openDeno(): object {
  const { deno, memoryMB, caps } = hostSettings()
  const settings: DenoSettings = deno ?? { args: [], home: '/module', mainModule: 'file:///module/index.ts', read: true, allEnv: false }
  const lent = () => {
    if (settings.files === undefined) throw notSupported("the module's folder", 'its files are lent to code that names Deno')
    return parse(settings.files) as Record<string, LentFile>
  }
  const mayRead = () => settings.read
  const files = openFiles({ tree: openTree(settings.home, lent), home: settings.home, mayRead })
  const crons = openCrons(() => registry.sealed, (job) => registry.crons.push(job))
  registry.cronHandlerOf = crons.handlerOf
  const within = (path: unknown, ...folders: string[]) => {
    const full = resolvePath(path, settings.home)
    return folders.some((folder) => full === folder || full.startsWith(`${folder}/`))
  }
  const permissions = openPermissions({
    permissions: () => hostSettings().permissions,
    files: {
      mayRead: (path) => within(path, '/tmp', ...(mayRead() ? [settings.home] : [])),
      mayWrite: (path) => within(path, '/tmp'),
    },
    give(permission) {
      const own = hostSettings()
      own.permissions = own.permissions.filter((one) => one !== permission)
    },
  })
  const kv = openKv((capability, args, maxLength) => {
    if (!hostGranted('kv')) throw refusal('CAPABILITY_DENIED', `cannot call ${capability}, the module has not been granted "kv"`)
    return hostAsk(capability, args, maxLength)
  }, caps.largeAskBytes)

  const readEnv = (name: string): string | undefined => {
    if (settings.allEnv || hostGranted(`env:${name}`)) {
      const { env } = hostSettings()
      return hasOwn(env, name) ? env[name] : undefined
    }
    // The host is told of what was tried; the answer is here already.
    hostAsk('violation', JSON.stringify({ permission: `env:${name.slice(0, 200)}` })).catch(() => {})
    throw new denoErrors.NotCapable(`Requires env access to "${name}", the module has not been granted "env:${name}"`)
  }

  const members: Record<string, unknown> = {
    errors: { ...denoErrors },
    env: openEnv({ read: readEnv, values: () => hostSettings().env }),
    cwd: () => settings.home,
    mainModule: settings.mainModule,
    exit(code?: number) {
      if (code !== undefined) registry.exitCode = exitCode(code)
      return exit(registry.exitCode)
    },
    inspect: (value: unknown, options: unknown = {}) => (lazily('web/inspect') as { inspect: (...args: unknown[]) => string }).inspect(value, options),
    internal: Symbol('Deno.internal'),
    SeekMode,
    FsFile,
    ...openSystem(memoryMB),
    ...permissions,
    ...openStdio((text) => registry.write('info', text), (text) => registry.write('error', text)),
    ...openDenoKv(() => kv),
    KvU64,
    ...unsupportedMembers(),
    ...openDeclarations(),
    ...files,
    ...asynchronous(files),
    readDir: (path: unknown) => asyncEntries(files.readDirSync(path)),
    open: async (...args: Parameters<typeof files.openSync>) => files.openSync(...args),
    create: async (path: unknown) => files.createSync(path),
    async writeFile(path: unknown, data: Uint8Array | ByteStream, options?: Parameters<typeof files.writeFileSync>[2]) {
      files.writeFileSync(path, data instanceof Uint8Array ? data : await collect(data, options?.signal), options)
    },
    async writeTextFile(path: unknown, data: string | ByteStream, options?: Parameters<typeof files.writeFileSync>[2]) {
      if (typeof data === 'string') files.writeTextFileSync(path, data, options)
      else files.writeFileSync(path, await collect(data, options?.signal), options)
    },
    cron: crons.cron,
    connect: (options: unknown) => network().connect(options),
    connectTls: (options: unknown) => network().connectTls(options),
    startTls: (conn: unknown, options?: unknown) => network().startTls(conn, options),
    resolveDns: (query: unknown, recordType: unknown, options: unknown) => network().resolveDns(query, recordType, options),
    serve,
    upgradeWebSocket,
  }
  const accessors: Record<string, PropertyDescriptor> = {
    args: { get: () => settings.args, enumerable: true, configurable: true },
    exitCode: { get: () => registry.exitCode, set: (code: number) => void (registry.exitCode = exitCode(code)), configurable: true },
    jupyter: {
      get() {
        throw new Error('Deno.jupyter is only available in `deno jupyter` subcommand')
      },
      configurable: true,
    },
  }
  const deno_ = {}
  for (const [name, value] of Object.entries(members)) {
    if (typeof value === 'function') Object.defineProperty(value, 'name', { value: name, configurable: true })
    Object.defineProperty(deno_, name, { value, writable: true, enumerable: true, configurable: true })
  }
  return Object.defineProperties(deno_, accessors)
}

const network = () => lazily('deno/net') as Record<'connect' | 'connectTls' | 'startTls' | 'resolveDns', (...args: unknown[]) => Promise<unknown>>

/** Each of the functions whose names end with `Sync`, as one that answers with a promise. */
function asynchronous(files: Record<string, Func>): Record<string, Func> {
  const members: Record<string, Func> = {}
  for (const [name, run] of Object.entries(files)) {
    const plain = name.slice(0, -'Sync'.length)
    members[plain] = async (...args: never[]) => run(...args)
  }
  return members
}

async function* asyncEntries(entries: Iterable<object>): AsyncGenerator<object> {
  yield* entries
}

function exitCode(code: unknown): number {
  const number = typeof code === 'string' ? Number(code) : code
  if (typeof number !== 'number' || !Number.isInteger(number)) throw new TypeError(`Exit code must be a number, got: ${String(code)} (${typeof code})`)
  return number & 0xff
}

export const Deno = openDeno()
