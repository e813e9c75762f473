import { notSupported } from './errors.guest.ts'

const ELSEWHERE = 'a module starts no programs'
const NATIVE = 'a module loads no native code'
const LINKS = 'there are no links in what a module sees'
const TOOLS = 'it belongs to another command of Deno'

/** What Deno has and nothing here gives effect to: functions that throw, those that reject, and classes that cannot be made. */
const ABSENT: ReadonlyArray<readonly [kind: 'throws' | 'rejects' | 'class', names: readonly string[], why: string]> = [
  ['class', ['Command', 'ChildProcess', 'Process'], ELSEWHERE],
  ['throws', ['run', 'spawn', 'spawnAndWait', 'spawnAndWaitSync', 'kill'], ELSEWHERE],
  ['class', ['UnsafeCallback', 'UnsafeFnPointer', 'UnsafePointer', 'UnsafePointerView'], NATIVE],
  ['throws', ['dlopen'], NATIVE],
  ['rejects', ['link', 'symlink', 'readLink'], LINKS],
  ['throws', ['linkSync', 'symlinkSync', 'readLinkSync'], LINKS],
  ['rejects', ['chown'], 'files have no owners'],
  ['throws', ['chownSync'], 'files have no owners'],
  ['throws', ['chdir'], "a module's folder is its own and stays it"],
  ['throws', ['watchFs'], "a module's folder does not change while it runs"],
  ['throws', ['listen', 'listenTls', 'serveHttp'], 'a module is served by the host, use Deno.serve'],
  ['class', ['HttpClient'], 'requests are made by the host'],
  ['throws', ['createHttpClient'], 'requests are made by the host'],
]

/** Those names with what they do here: tell that it cannot be done. */
export function unsupportedMembers(): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  for (const [kind, names, why] of ABSENT) {
    for (const name of names) {
      const refuse = () => notSupported(`Deno.${name}`, why)
      if (kind === 'throws') members[name] = named(name, () => { throw refuse() })
      else if (kind === 'rejects') members[name] = named(name, () => Promise.reject(refuse()))
      else members[name] = function () { throw refuse() }
      if (kind === 'class') Object.defineProperty(members[name], 'name', { value: name, configurable: true })
    }
  }
  members['lint'] = { runPlugin: named('runPlugin', () => { throw notSupported('Deno.lint.runPlugin', TOOLS) }) }
  members['telemetry'] = refusing('Deno.telemetry', ['tracerProvider', 'contextManager', 'meterProvider'], 'a module has no telemetry, use ctx.log')
  return members
}

/** An object of whose members each throws when it is read. */
function refusing(api: string, names: readonly string[], why: string): object {
  const members = {}
  for (const name of names) {
    Object.defineProperty(members, name, { enumerable: true, configurable: true, get() { throw notSupported(`${api}.${name}`, why) } })
  }
  return members
}

function named(name: string, run: () => unknown): () => unknown {
  return Object.defineProperty(run, 'name', { value: name, configurable: true })
}
