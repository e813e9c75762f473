import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EXECUTION_CAPS } from '../../bridge/caps.ts'
import { CHUNKS } from '../../bridge/web/chunks.ts'
import { buildPrograms } from '../programs.ts'
import { createIsolate, createSnapshot, type Snapshot } from './isolate.ts'

let folder: string
let snapshot: Snapshot

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-isolate-'))
  const { bridge } = await buildPrograms(folder)
  snapshot = createSnapshot(bridge)
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

/** What a module's getService offers under the name of what the body returns: text that leaves the isolate as its report. */
async function evaluate(body: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const settings = { hooks: [], script: false, fresh: false, config: null, permissions: [], env: {}, caps: EXECUTION_CAPS, memoryMB: 64 }
  const isolate = createIsolate({
    snapshot,
    code: `(async (__bulkhead_export) => {"use strict";
      const answer = await (async () => { ${body} })()
      __bulkhead_export({ default: { getService: () => ({ [JSON.stringify(answer ?? null).slice(0, 100)]() {} }) } })
    })`,
    filename: 'bulkhead:///test',
    settings: JSON.stringify(settings),
    memoryMB: 64,
    onCatastrophe: reject,
  })
  const context = isolate.openContext((kind, _execution, _ask, _name, text) => {
    if (kind === 'done') resolve(text)
    else if (kind === 'failed') reject(new Error(text))
  })
  try {
    const [report] = await Promise.all([promise, context.enter(['load', 'e1', ''])])
    const { service } = JSON.parse(report) as { service: string[] }
    return JSON.parse(service[0] ?? 'null')
  } finally {
    isolate.dispose()
  }
}

const globals = Object.values(CHUNKS).flat() as string[]
const descriptorOf = (name: string) => `Object.keys(Object.getOwnPropertyDescriptor(globalThis, '${name}')).join()`

describe('a global of a chunk', () => {
  test('is an accessor until it is touched, and a plain property from then on', async () => {
    expect(await evaluate(`const before = ${descriptorOf('atob')}; atob; return [before, ${descriptorOf('atob')}]`)).toEqual([
      'get,set,enumerable,configurable',
      'value,writable,enumerable,configurable',
    ])
  })

  test('is what a module assigns to it, before it is touched and after', async () => {
    expect(await evaluate(`globalThis.atob = 1; const one = atob; globalThis.btoa; globalThis.btoa = 2; return [one, btoa]`)).toEqual([1, 2])
  })

  test('is enumerable as Web IDL has it', async () => {
    const enumerable = `(name) => Object.prototype.propertyIsEnumerable.call(globalThis, name)`
    expect(await evaluate(`return ['URL', 'TextDecoder', 'fetch', 'structuredClone'].map(${enumerable})`)).toEqual([false, false, true, true])
    expect(await evaluate(`URL; structuredClone; return ['URL', 'structuredClone'].map(${enumerable})`)).toEqual([false, true])
  })

  test('is the same each time, where the module has frozen its globals too', async () => {
    expect(await evaluate(`Object.freeze(globalThis); return [URL === URL, new URL('http://a').href]`)).toEqual([true, 'http://a/'])
  })

  test('can be taken away', async () => {
    expect(await evaluate(`delete globalThis.atob; return typeof atob`)).toBe('undefined')
  })

  test.for(globals)('%s is there, under its own name', async (name) => {
    expect(await evaluate(`const value = globalThis['${name}']; return [typeof value, typeof value === 'function' ? value.name : '${name}']`)).toEqual([
      expect.stringMatching(/^(function|object)$/),
      name,
    ])
  })

  test('is looked up with what was captured before the module ran', async () => {
    expect(await evaluate(`globalThis.eval = () => 'mine'; Map.prototype.get = () => 'mine'; JSON.parse = () => 'mine'; return typeof atob`)).toBe('function')
  })
})

describe('an isolate', () => {
  test('whose module names a common global has it ready, and no other', async () => {
    // Evaluated while the snapshot was made, the chunk does not see what the module has done to its globals since.
    const tampered = `Object.setPrototypeOf = () => { throw new Error('mine') }; Object.defineProperties = Object.setPrototypeOf;`
    expect(await evaluate(`${tampered} return typeof ReadableStream`)).toBe('function')
    await expect(evaluate(`${tampered} return typeof globalThis['Readable' + 'Stream']`)).rejects.toThrow('mine')
  })

  test('draws random bytes of its own', async () => {
    const draw = `return crypto.randomUUID()`
    expect(await evaluate(draw)).not.toBe(await evaluate(draw))
  })

  test('counts its time from its own beginning', async () => {
    expect(await evaluate(`return performance.now() < 60_000 && Math.abs(performance.timeOrigin - Date.now()) < 60_000`)).toBe(true)
  })
})
