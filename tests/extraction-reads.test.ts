import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { completeContext, type HookBody } from '../runtime/context.ts'
import { type Runtime, startRuntime } from '../runtime/runtime.ts'
import { findExternal, openTemporary, type TemporaryDatabase } from '../runtime/store/store.setup.ts'

const external = await findExternal()
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const PERMISSIONS = { owner: 'emit', reader: 'extractions:read', other: 'emit', mute: 'log' }

/** Emits or reads as the call's input says, and answers with what came of it as text. */
const CODE = `export default { async handle(hook, ctx) {
  const { module, method, args } = ctx.input
  if (module !== this.config.module) return
  let response
  try {
    const given = args[0]?.since ? [{ since: new Date(args[0].since) }] : args
    const answer = method === 'emit' ? await ctx.emit(...given) : await ctx.db[method](...given)
    if (Array.isArray(answer)) for (const record of answer) if (!(record.createdAt instanceof Date)) throw new Error('no date')
    response = JSON.stringify(answer ?? null)
  } catch (error) { response = JSON.stringify({ name: error.name, code: error.code, message: error.message }) }
  return { action: 'continue', modifications: { response } }
} }`

describe.each([['embedded', undefined], ['external', external]] as const)('on the %s server', (kind, url) => {
  describe.skipIf(kind === 'external' && url === undefined)('what ctx.db tells of records', () => {
    let temporary: TemporaryDatabase
    let runtime: Runtime
    let folder: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'reads-'))
      for (const [name, permissions] of Object.entries(PERMISSIONS)) {
        await mkdir(join(folder, 'modules', name), { recursive: true })
        const manifest = `name: ${name}\nversion: 1.0.0\ndescription: a test module\nhooks: [chat:before_ai]\npermissions: [${permissions}]\n` +
          `config: { type: object, properties: { module: { type: string, default: ${name} } } }\n`
        await writeFile(join(folder, 'modules', name, 'module.yaml'), manifest)
        await writeFile(join(folder, 'modules', name, 'index.ts'), CODE)
      }
      temporary = await openTemporary(url)
      runtime = await startRuntime({ modules: join(folder, 'modules'), data: join(folder, 'data'), cells: 2, database: temporary.database, log: silent })
      for (const [session, user, course] of [['s1', 'ann', 'math'], ['s2', 'bob', 'math'], ['s3', 'ann', 'art']] as const) {
        for (const module of ['owner', 'other']) await ask(module, about(session, user, course), 'emit', 'seen', { session, n: 1 })
        await ask('owner', about(session, user, course), 'emit', 'told', { session })
      }
    })
    afterAll(async () => {
      await runtime?.[Symbol.asyncDispose]()
      await temporary?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    })

    const about = (session: string, user?: string, course?: string): HookBody => ({
      session: { id: session },
      ...(user === undefined ? {} : { user: { id: user } }),
      ...(course === undefined ? {} : { class: { id: course } }),
    })

    async function ask(module: string, context: HookBody, method: string, ...args: unknown[]): Promise<unknown> {
      const body = completeContext('chat:before_ai', { ...context, input: { module, method, args } }, 'r')
      const { modifications, failures } = await runtime.executeHook('chat:before_ai', body)
      return failures[0] ?? JSON.parse(modifications?.response ?? 'null')
    }

    const seen = (records: unknown) =>
      (records as Array<{ module: string; type: string; data: { session: string } }>).map(({ module, type, data }) => `${module} ${type} ${data.session}`)

    test('is of a session, oldest first, and one\'s own', async () => {
      const records = await ask('owner', about('s2', 'bob'), 'getSessionExtractions', 's1')
      expect(seen(records)).toEqual(['owner seen s1', 'owner told s1'])
      expect(records).toMatchObject([{ data: { n: 1 }, sessionId: 's1', userId: 'ann' }, {}])
    })

    test('is of the user that the execution is about, in a class or in all, and of no other', async () => {
      expect(seen(await ask('owner', about('s9', 'ann'), 'getUserExtractions', 'ann'))).toHaveLength(4)
      expect(seen(await ask('owner', about('s9', 'ann'), 'getUserExtractions', 'ann', 'art'))).toEqual(['owner seen s3', 'owner told s3'])
      for (const method of ['getUserExtractions', 'getExtractionsByType', 'countExtractions']) {
        const args = { getUserExtractions: ['bob'], getExtractionsByType: ['seen', { userId: 'bob' }], countExtractions: [{ userId: 'bob' }] }[method]
        expect(await ask('owner', about('s9', 'ann'), method, ...(args ?? []))).toMatchObject({ name: 'NotCapable', code: 'CAPABILITY_DENIED' })
      }
    })

    test('is of a type, narrowed by session and user, the newest of them', async () => {
      expect(seen(await ask('owner', about('s9', 'ann'), 'getExtractionsByType', 'seen'))).toEqual(['owner seen s1', 'owner seen s2', 'owner seen s3'])
      expect(seen(await ask('owner', about('s9', 'ann'), 'getExtractionsByType', 'seen', { limit: 1 }))).toEqual(['owner seen s3'])
      expect(seen(await ask('owner', about('s9', 'ann'), 'getExtractionsByType', 'seen', { sessionId: 's1', userId: 'ann' }))).toEqual(['owner seen s1'])
    })

    test('is counted, since a moment as well', async () => {
      const context = about('s9', 'ann')
      expect(await ask('owner', context, 'countExtractions', {})).toBe(6)
      expect(await ask('owner', context, 'countExtractions')).toBe(6)
      expect(await ask('owner', context, 'countExtractions', { type: 'told', userId: 'ann' })).toBe(2)
      expect(await ask('owner', context, 'countExtractions', { since: '2020-01-01T00:00:00Z' })).toBe(6)
      expect(await ask('owner', context, 'countExtractions', { since: new Date(Date.now() + 60_000).toISOString() })).toBe(0)
    })

    test('is of others with extractions:read, about the session or user at hand', async () => {
      expect(seen(await ask('reader', about('s1', 'ann'), 'getSessionExtractions', 's1')).toSorted()).toEqual(['other seen s1', 'owner seen s1', 'owner told s1'])
      expect(seen(await ask('reader', about('s9', 'ann'), 'getExtractionsByType', 'told'))).toEqual(['owner told s1', 'owner told s3'])
      expect(await ask('reader', about('s1', 'ann'), 'getSessionExtractions', 's2')).toEqual([])
      expect(await ask('reader', about('s2', 'eve'), 'countExtractions', {})).toBe(3)
      expect(await ask('other', about('s1', 'ann'), 'getSessionExtractions', 's1')).toHaveLength(1)
    })

    test('is not of all the calls that name no user, where it is of others', async () => {
      await ask('owner', about('s4'), 'emit', 'seen', { session: 's4' })
      expect(await ask('reader', about('s5'), 'countExtractions', {})).toBe(0)
      expect(await ask('reader', about('s4'), 'countExtractions', {})).toBe(1)
    })

    test('is refused without a permission, and for what is no query', async () => {
      const context = about('s1', 'ann')
      expect(await ask('mute', context, 'getSessionExtractions', 's1')).toMatchObject({
        code: 'CAPABILITY_DENIED',
        message: expect.stringContaining('"emit" or "db" or "extractions:read"'),
      })
      const wrong: Array<[string, ...unknown[]]> = [
        ['getSessionExtractions'], ['getSessionExtractions', { toString: 1 }], ['getUserExtractions', null],
        ['getExtractionsByType', 'seen', { limit: 0 }], ['getExtractionsByType', 'seen', { limit: 1001 }], ['getExtractionsByType', 'seen', { limit: '1' }],
        ['getExtractionsByType', 'seen', { module: 'other' }], ['countExtractions', { type: ['seen'] }], ['countExtractions', { type: 'x'.repeat(513) }],
        ['countExtractions', { __proto__: null, classId: 'x' }],
      ]
      for (const [method, ...args] of wrong) {
        expect([method, await ask('owner', context, method, ...args)]).toMatchObject([method, { code: 'INVALID' }])
      }
      expect(await ask('owner', context, 'getExtractionsByType', "x' or true --\0")).toEqual([])
      expect(await ask('owner', context, 'getExtractionsByType', 'x'.repeat(512), { limit: 1000 })).toEqual([])
    })
  })
})
