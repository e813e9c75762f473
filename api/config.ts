import { statSync } from 'node:fs'
import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { BulkheadError } from '../bridge/errors.ts'
import type { ImportSources } from '../runtime/loading/gathering.ts'
import { FIRST_GRANTS, type FirstGrant } from '../runtime/grants.ts'
import { didYouMean } from '../runtime/nearest.ts'
import { isEnvName } from '../runtime/secrets.ts'
import { VIOLATION_POLICIES, type ViolationPolicy } from '../runtime/violations.ts'
import { type FileConfig, readConfigFile } from './config-file.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** All that the environment decides, and the file that it names. Paths are absolute. */
export interface Config extends FileConfig {
  host: string
  port: number
  /** An external PostgreSQL; without it the embedded one is used. */
  databaseUrl: string | undefined
  data: string
  modules: string
  cells: number
  adminKey: string | undefined
  logLevel: (typeof LOG_LEVELS)[number]
  /** Files of a certificate and its key; without them it is plain HTTP, as behind a proxy. */
  tls: { cert: string; key: string } | undefined
  /** Whose pages may call the API from a browser; none unless given. */
  corsOrigins: readonly string[]
  /** What each key may ask that has no rate of its own. */
  requestsPerMinute: number | undefined
  /** Values that modules can be lent, by name: secrets, never to be shown. */
  moduleEnv: Readonly<Record<string, string>>
  /** The npm registry that packages come from; without it npm's own. */
  npmRegistry: string | undefined
  /** What else modules import from, beside the public registries and addresses. */
  imports: ImportSources
  /** The HTTP proxy through which modules reach the network; without it they do so directly. */
  proxy: string | undefined
  /** The key with which git fetches over ssh; without it ssh is refused. */
  gitKey: string | undefined
  /** Whether what changes in the folder of modules is followed. */
  watch: boolean
  firstGrant: FirstGrant
  onViolation: ViolationPolicy
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the configuration from environment variables; an empty one counts as absent.
 *
 * @returns the complete, frozen configuration
 * @throws BulkheadError `INVALID`, whose message has a line for every variable that is wrong: what was refused and
 * what is accepted, never a value that may be a secret
 * @example loadConfig({ PORT: '8080', BULKHEAD_DATA: '/var/lib/bulkhead' }).port // 8080
 */
export function loadConfig(env: Environment = process.env): Readonly<Config> {
  const faults = unknownVariables(env)
  const read = <Value>(name: VariableName, fallback: string, parse: (text: string) => Value | undefined) => {
    const text = env[name] || fallback
    const value = parse(text)
    if (value === undefined) faults.push(`${name} ${refused(name, text)}; accepted: ${VARIABLES[name]}`)
    return value
  }
  const optional = (name: VariableName, form: RegExp): string | undefined =>
    env[name] ? read(name, '', (text) => (form.test(text) ? text : undefined)) : undefined

  const file = env['BULKHEAD_CONFIG'] ? readConfigFile(resolve(env['BULKHEAD_CONFIG'])) : NO_FILE
  faults.push(...file.faults.map((fault) => `BULKHEAD_CONFIG ${fault}`))

  const config = {
    ...file.config,
    host: read('HOST', '127.0.0.1', hostName),
    port: read('PORT', '7700', integer(0, 65_535)),
    databaseUrl: optional('DATABASE_URL', /^postgres(ql)?:\/\/\S+$/),
    data: read('BULKHEAD_DATA', '.bulkhead', (path) => folder(path, { missing: true })),
    modules: read('BULKHEAD_MODULES', 'modules', (path) => folder(path, { missing: false })),
    cells: read('BULKHEAD_CELLS', String(availableParallelism()), integer(1, 256)),
    adminKey: optional('BULKHEAD_ADMIN_KEY', /^bk_[A-Za-z0-9_-]{32,128}$/),
    logLevel: read('LOG_LEVEL', 'info', (text) => LOG_LEVELS.find((level) => level === text.toLowerCase())),
    tls: tlsOf(env, faults),
    corsOrigins: read('BULKHEAD_CORS_ORIGINS', '', origins),
    requestsPerMinute: env['BULKHEAD_REQUESTS_PER_MINUTE'] ? read('BULKHEAD_REQUESTS_PER_MINUTE', '', integer(1, 1_000_000)) : undefined,
    moduleEnv: read('BULKHEAD_MODULE_ENV', '', (text) => lent(text, env)),
    npmRegistry: optional('BULKHEAD_NPM_REGISTRY', REGISTRY),
    imports: Object.freeze({
      jsrRegistry: optional('BULKHEAD_JSR_REGISTRY', REGISTRY),
      privateHosts: read('BULKHEAD_IMPORT_HOSTS', '', hostList) ?? [],
    }),
    proxy: optional('BULKHEAD_PROXY', PROXY),
    gitKey: env['BULKHEAD_GIT_KEY'] ? read('BULKHEAD_GIT_KEY', '', existingFile) : undefined,
    watch: read('BULKHEAD_WATCH', 'on', (text) => (text === 'on' ? true : text === 'off' ? false : undefined)),
    firstGrant: read('BULKHEAD_FIRST_GRANT', 'declared', oneOf(FIRST_GRANTS)),
    onViolation: read('BULKHEAD_ON_VIOLATION', 'warn', oneOf(VIOLATION_POLICIES)),
  }
  if (config.data !== undefined && config.data === config.modules) {
    faults.push(`BULKHEAD_DATA is also BULKHEAD_MODULES (${config.data}); accepted: two different folders`)
  }
  if (faults.length > 0) {
    const summary = `cannot start, ${faults.length === 1 ? 'a variable' : `${faults.length} variables`} refused:`
    throw new BulkheadError('INVALID', [summary, ...faults].join('\n  '), { faults })
  }
  return Object.freeze(config as Config) // without a fault, every value has been read
}

const PROXY = /^http:\/\/(?:[^\s@/?#:]+:[^\s@/?#:]*@)?(?:[\w.-]+|\[[\da-fA-F:]+\])(?::\d{1,5})?\/?$/
const REGISTRY = /^https?:\/\/[^\s@?#]+$/

/**
 * Where imports come from, of the same variables, for commands that need nothing else of the configuration.
 *
 * @throws BulkheadError `INVALID`
 */
export function importSources(env: Environment = process.env): ImportSources {
  const { npmRegistry, imports } = loadConfig({ BULKHEAD_MODULES: '.', ...Object.fromEntries(IMPORT_VARIABLES.map((name) => [name, env[name]])) })
  return { ...imports, npmRegistry }
}

const IMPORT_VARIABLES = ['BULKHEAD_NPM_REGISTRY', 'BULKHEAD_JSR_REGISTRY', 'BULKHEAD_IMPORT_HOSTS'] as const

const NO_FILE: ReturnType<typeof readConfigFile> = { config: { hooks: Object.freeze({}), events: Object.freeze({}), limits: Object.freeze({}), retention: Object.freeze({}) }, faults: [] }

/** Every variable there is, with what it accepts. */
const VARIABLES = {
  PORT: 'a whole number from 0 (any free port) to 65535',
  HOST: 'an IP address or a host name, such as 127.0.0.1, 0.0.0.0 or localhost',
  DATABASE_URL: 'postgres://user:password@host:5432/database',
  BULKHEAD_DATA: 'a folder that may be written to, made if it is missing',
  BULKHEAD_MODULES: 'an existing folder that holds one folder per module',
  BULKHEAD_CONFIG: "a YAML file with the application's hooks, such as bulkhead.yaml",
  BULKHEAD_CELLS: 'a whole number from 1 to 256',
  BULKHEAD_ADMIN_KEY: 'bk_ followed by 32 to 128 letters, digits, _ or -',
  BULKHEAD_MODULE_ENV: 'names of set variables, with commas between, but for those of Bulkhead itself, such as API_KEY,REGION',
  BULKHEAD_FIRST_GRANT: `one of ${FIRST_GRANTS.join(', ')}`,
  BULKHEAD_NPM_REGISTRY: 'http://host or https://host with a port and a path where needed, without credentials',
  BULKHEAD_JSR_REGISTRY: 'http://host or https://host with a port and a path where needed, without credentials',
  BULKHEAD_IMPORT_HOSTS: 'host or host:port of private addresses that modules may import and be fetched by git from, with commas between',
  BULKHEAD_ON_VIOLATION: `one of ${VIOLATION_POLICIES.join(', ')}`,
  BULKHEAD_TLS_CERT: 'a file with a certificate and its chain in PEM, together with BULKHEAD_TLS_KEY',
  BULKHEAD_TLS_KEY: 'a file with the private key in PEM, together with BULKHEAD_TLS_CERT',
  BULKHEAD_CORS_ORIGINS: 'origins with commas between, such as https://app.example.org,http://localhost:3000',
  BULKHEAD_REQUESTS_PER_MINUTE: 'a whole number from 1 to 1000000, for each API key without a rate of its own',
  BULKHEAD_GIT_KEY: 'the file of a private key, with which git fetches modules over ssh',
  BULKHEAD_PROXY: 'http://host:port, with user:password@ before the host where needed: all that modules fetch goes through it',
  BULKHEAD_WATCH: 'on or off',
  // These two are the command line's, which may be used where a server is started.
  BULKHEAD_URL: 'the address of the server that commands ask, such as https://bulkhead.example.org',
  BULKHEAD_KEY: 'the API key that commands ask with',
  LOG_LEVEL: `one of ${LOG_LEVELS.join(', ')}`,
}
type VariableName = keyof typeof VARIABLES

function refused(name: VariableName, text: string): string {
  if (name === 'DATABASE_URL' || name === 'BULKHEAD_ADMIN_KEY' || name === 'BULKHEAD_PROXY') return 'has a wrong form (a secret, so not shown)'
  if (name === 'BULKHEAD_NPM_REGISTRY' || name === 'BULKHEAD_JSR_REGISTRY') return 'has a wrong form (maybe with a secret, so not shown)'
  if (name === 'BULKHEAD_MODULE_ENV') {
    const named = text.split(',').map((one) => one.trim()).filter((one) => isEnvName(one) && one.length <= 40)
    return named.length > 0 ? `holds something else than ${named.join(', ')}, or names what is not set` : 'has a wrong form (maybe a secret, so not shown)'
  }
  const value = name === 'BULKHEAD_DATA' || name === 'BULKHEAD_MODULES' ? resolve(text) : text
  return `is ${JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value)}`
}

// Kubernetes sets these in every pod beside a service that is named bulkhead.
const SERVICE_LINK = /^BULKHEAD_(.+_)?(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP)(_.+)?)$/

function unknownVariables(env: Environment): string[] {
  const known = Object.keys(VARIABLES)
  return Object.keys(env)
    .filter((name) => name.startsWith('BULKHEAD_') && !known.includes(name))
    .filter((name) => !SERVICE_LINK.test(name) && !/^(tcp|udp):\/\//.test(env[name] ?? ''))
    .map((name) => {
      const bare = name.slice('BULKHEAD_'.length)
      const guess = known.includes(bare) ? `, did you mean "${bare}"?` : didYouMean(name, known)
      return `${name} is not known${guess || `; known: ${known.join(', ')}`}`
    })
}

function integer(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN
    return value >= least && value <= most ? value : undefined
  }
}

function oneOf<Word extends string>(words: readonly Word[]): (text: string) => Word | undefined {
  return (text) => words.find((word) => word === text)
}

function tlsOf(env: Environment, faults: string[]): Config['tls'] {
  const [cert, key] = [env['BULKHEAD_TLS_CERT'], env['BULKHEAD_TLS_KEY']]
  if (cert && key) return { cert: resolve(cert), key: resolve(key) }
  if (cert) faults.push(`BULKHEAD_TLS_CERT is set and BULKHEAD_TLS_KEY is not; accepted: ${VARIABLES.BULKHEAD_TLS_KEY}`)
  if (key) faults.push(`BULKHEAD_TLS_KEY is set and BULKHEAD_TLS_CERT is not; accepted: ${VARIABLES.BULKHEAD_TLS_CERT}`)
  return undefined
}

/** Each exactly as a browser sends it: no path, no default port, nothing but http and https. */
function origins(text: string): readonly string[] | undefined {
  const given = text.split(',').map((one) => one.trim()).filter(Boolean)
  const isOrigin = (one: string) => /^https?:$/.test(URL.parse(one)?.protocol ?? '') && URL.parse(one)?.origin === one
  return given.every(isOrigin) ? Object.freeze(given) : undefined
}

/** What is named, with its value. What Bulkhead itself reads is no module's business. */
function lent(text: string, env: Environment): Readonly<Record<string, string>> | undefined {
  const names = text.split(',').map((name) => name.trim()).filter(Boolean)
  if (names.some((name) => !isEnvName(name) || Object.hasOwn(VARIABLES, name) || name.startsWith('BULKHEAD_') || !env[name])) return undefined
  return Object.freeze(Object.fromEntries(names.map((name) => [name, env[name] as string])))
}

function folder(path: string, { missing }: { missing: boolean }): string | undefined {
  const absolute = resolve(path)
  try {
    return statSync(absolute).isDirectory() ? absolute : undefined
  } catch (thrown) {
    return missing && (thrown as NodeJS.ErrnoException).code === 'ENOENT' ? absolute : undefined
  }
}

function hostList(text: string): readonly string[] | undefined {
  const hosts = text.split(',').map((host) => host.trim()).filter(Boolean)
  return hosts.every((host) => /^(\[[\da-f:.]+\]|[a-z\d.-]+)(:\d{1,5})?$/i.test(host)) ? Object.freeze(hosts) : undefined
}

function existingFile(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? resolve(path) : undefined
}

function hostName(text: string): string | undefined {
  const label = '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?'
  // Digits and dots alone are an address with a fault in it, not a name.
  const named = new RegExp(`^${label}(\\.${label})*$`).test(text) && !/^[\d.]+$/.test(text)
  return isIP(text) !== 0 || named ? text : undefined
}
