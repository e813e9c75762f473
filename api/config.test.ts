import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { loadConfig } from './config.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'config-'))
})
afterAll(() => rm(folder, { recursive: true }))

const load = (env: Record<string, string> = {}) => loadConfig({ BULKHEAD_MODULES: folder, ...env })

function faults(env: Record<string, string>): string[] {
  try {
    load(env)
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(BulkheadError)
    return (thrown as BulkheadError).message.split('\n  ').slice(1)
  }
  return []
}

describe('the configuration', () => {
  it('is complete and frozen without any variable', () => {
    const config = load()
    expect(config).toEqual({
      imports: { privateHosts: [] },
      host: '127.0.0.1',
      port: 7700,
      tls: undefined,
      corsOrigins: [],
      requestsPerMinute: undefined,
      databaseUrl: undefined,
      data: resolve('.bulkhead'),
      modules: folder,
      cells: availableParallelism(),
      adminKey: undefined,
      logLevel: 'info',
      moduleEnv: {},
      limits: {},
      retention: {},
      watch: true,
      firstGrant: 'declared',
      onViolation: 'warn',
      hooks: {},
      events: {},
    })
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('takes an empty variable for an absent one', () => {
    expect(load({ PORT: '', DATABASE_URL: '', BULKHEAD_ADMIN_KEY: '' })).toEqual(load())
  })

  it.each([
    ['PORT', '0', 'port', 0],
    ['PORT', '65535', 'port', 65_535],
    ['HOST', '::1', 'host', '::1'],
    ['HOST', 'app.example.org', 'host', 'app.example.org'],
    ['BULKHEAD_CELLS', '256', 'cells', 256],
    ['LOG_LEVEL', 'WARN', 'logLevel', 'warn'],
    ['BULKHEAD_WATCH', 'off', 'watch', false],
    ['BULKHEAD_NPM_REGISTRY', 'https://packages.example.org/npm/', 'npmRegistry', 'https://packages.example.org/npm/'],
    ['BULKHEAD_JSR_REGISTRY', 'https://packages.example.org/jsr/', 'imports', { jsrRegistry: 'https://packages.example.org/jsr/', privateHosts: [] }],
    ['BULKHEAD_IMPORT_HOSTS', 'code.internal:8443, 10.0.0.7', 'imports', { privateHosts: ['code.internal:8443', '10.0.0.7'] }],
    ['BULKHEAD_FIRST_GRANT', 'none', 'firstGrant', 'none'],
    ['BULKHEAD_ON_VIOLATION', 'quarantine', 'onViolation', 'quarantine'],
    ['DATABASE_URL', 'postgresql://u:p@h/db', 'databaseUrl', 'postgresql://u:p@h/db'],
    ['BULKHEAD_ADMIN_KEY', `bk_${'x'.repeat(32)}`, 'adminKey', `bk_${'x'.repeat(32)}`],
  ] as const)('reads %s=%s', (name, text, key, value) => {
    expect(load({ [name]: text })[key]).toEqual(value)
  })

  it('lends modules what is named, and nothing else', () => {
    const env = { API_KEY: 's3cret', REGION: 'eu', OTHER: 'x', BULKHEAD_MODULE_ENV: 'API_KEY, REGION' }
    expect(load(env).moduleEnv).toEqual({ API_KEY: 's3cret', REGION: 'eu' })
  })

  it.each([
    ['API_KEY=s3cret-value'],
    ['UNSET'],
    ['DATABASE_URL'],
    ['BULKHEAD_ADMIN_KEY'],
    ['api_key'],
  ])('lends nothing for BULKHEAD_MODULE_ENV=%s, and does not quote what may be a secret', (text) => {
    const [fault] = faults({ BULKHEAD_MODULE_ENV: text, DATABASE_URL: 'postgres://u:p@h/db', BULKHEAD_ADMIN_KEY: `bk_${'x'.repeat(32)}` })
    expect(fault).toMatch(/^BULKHEAD_MODULE_ENV (holds|has)/)
    expect(fault).not.toContain('s3cret')
  })

  it.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80a'],
    ['PORT', '1e3'],
    ['HOST', '999.0.0.1'],
    ['HOST', 'http://localhost'],
    ['HOST', 'localhost:7700'],
    ['BULKHEAD_CELLS', '0'],
    ['BULKHEAD_CELLS', '257'],
    ['BULKHEAD_CELLS', '1.5'],
    ['BULKHEAD_WATCH', 'yes'],
    ['BULKHEAD_GIT_KEY', '/nowhere/key'],
    ['LOG_LEVEL', 'verbose'],
    ['BULKHEAD_CORS_ORIGINS', 'https://app.example.org/'],
    ['BULKHEAD_CORS_ORIGINS', '*'],
    ['BULKHEAD_CORS_ORIGINS', 'ftp://example.org'],
    ['BULKHEAD_REQUESTS_PER_MINUTE', '0'],
  ])('refuses %s=%s and says what is accepted', (name, text) => {
    expect(faults({ [name]: text })).toEqual([expect.stringContaining(`${name} is "${text}"; accepted: `)])
  })

  it('names every fault at once', () => {
    const all = faults({ PORT: 'x', BULKHEAD_CELLS: 'many', LOG_LEVEL: 'loud', BULKHEAD_DTAA: '/d' })
    expect(all.map((fault) => fault.split(' ')[0]).toSorted()).toEqual([
      'BULKHEAD_CELLS',
      'BULKHEAD_DTAA',
      'LOG_LEVEL',
      'PORT',
    ])
  })

  it('never shows a value that may be a secret', () => {
    const all = faults({ DATABASE_URL: 'mysql://root:hunter2@h/db', BULKHEAD_ADMIN_KEY: 'hunter2', BULKHEAD_NPM_REGISTRY: 'https://me:hunter2@h' }).join('\n')
    expect(all).toContain('DATABASE_URL has a wrong form')
    expect(all).toContain('BULKHEAD_ADMIN_KEY has a wrong form')
    expect(all).not.toContain('hunter2')
  })

  it('asks for an admin key of at least 32 characters', () => {
    expect(faults({ BULKHEAD_ADMIN_KEY: `bk_${'x'.repeat(31)}` })).toHaveLength(1)
  })

  it('suggests the variable that a misspelt one may mean', () => {
    expect(faults({ BULKHEAD_MODULE: '/m' })).toEqual([
      'BULKHEAD_MODULE is not known, did you mean "BULKHEAD_MODULES"?',
    ])
    expect(faults({ BULKHEAD_PORT: '80' })).toEqual(['BULKHEAD_PORT is not known, did you mean "PORT"?'])
    expect(faults({ BULKHEAD_COLOUR: 'red' })).toEqual([expect.stringContaining('known: PORT, HOST')])
  })

  it('lets the variables pass that Kubernetes sets for a service named bulkhead', () => {
    const links = {
      BULKHEAD_SERVICE_HOST: '10.0.0.1',
      BULKHEAD_SERVICE_PORT: '80',
      BULKHEAD_SERVICE_PORT_HTTP: '80',
      BULKHEAD_PORT: 'tcp://10.0.0.1:80',
      BULKHEAD_PORT_80_TCP_ADDR: '10.0.0.1',
    }
    expect(faults(links)).toEqual([])
  })

  it('wants a folder for the modules and, where there is something, for the data', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    expect(faults({ BULKHEAD_MODULES: join(folder, 'none') })).toHaveLength(1)
    expect(faults({ BULKHEAD_MODULES: file })).toHaveLength(1)
    expect(faults({ BULKHEAD_DATA: file })).toHaveLength(1)
    expect(faults({ BULKHEAD_DATA: join(file, 'below') })).toHaveLength(1)
    expect(faults({ BULKHEAD_DATA: '\0' })).toHaveLength(1)
    expect(faults({ BULKHEAD_DATA: folder })).toEqual([expect.stringContaining('two different folders')])
    expect(load({ BULKHEAD_DATA: join(folder, 'new') }).data).toBe(join(folder, 'new'))
  })
})
