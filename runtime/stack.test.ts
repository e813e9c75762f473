import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundleModule, stopBundler, type Artifact } from './bundle.ts'
import { mapStack } from './stack.ts'

const FILES = {
  'index.ts': `import { defineModule } from '@bulkhead/sdk'
import { check } from './lib/check.ts'

interface Options { strict: boolean }
export default defineModule({
  async handle(hook: string) {
    const options: Options = { strict: true }
    await null
    return check(options)
  },
})
`,
  'lib/check.ts': `export function check(options: { strict: boolean }): never {
  const é = 'é'; throw new TypeError('not strict: ' + options.strict + é)
}
`,
}

let folder: string
let artifact: Artifact
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-stack-'))
  for (const [path, text] of Object.entries(FILES)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  artifact = await bundleModule({ folder, cache: join(folder, 'cache') })
})
afterAll(async () => {
  await stopBundler()
  await rm(folder, { recursive: true })
})

test("the stack of what a module threw names its author's files, lines and columns", async () => {
  let namespace: { default?: { handle(hook: string): Promise<never> } } = {}
  const main = new Script(artifact.code, { filename: 'bulkhead:///sample' }).runInThisContext()
  await main((exported: typeof namespace) => {
    namespace = exported
  })
  const error: unknown = await namespace.default?.handle('x').catch((thrown: unknown) => thrown)
  const stack = mapStack((error as Error).stack ?? '', artifact.map).split('\n')
  expect(stack[0]).toBe('TypeError: not strict: trueé')
  expect(stack[1]).toBe('    at check (lib/check.ts:2:24)')
  expect(stack[2]).toMatch(/^ {4}at async .*\(index\.ts:9:12\)$|^ {4}at .*handle \(index\.ts:9:12\)$/)
})

test('frames of the bridge, of the wrapping and of no known place are left out', () => {
  const known = artifact.code.split('\n').findIndex((line) => line.includes('throw new TypeError')) + 1
  const stack = [
    'Error: no',
    `    at check (bulkhead:///sample:${known}:3)`,
    '    at Array.map (<anonymous>)',
    '    at call (bulkhead:bridge:10:5)',
    '    at new URL (bulkhead:web/url:1:20)',
    '    at bulkhead:///sample:1:20',
    '    at other (bulkhead:///sample:99999:1)',
  ].join('\n')
  const mapped = ['Error: no', '    at check (lib/check.ts:2:18)', '    at Array.map (<anonymous>)']
  expect(mapStack(stack, artifact.map).split('\n')).toEqual(mapped)
})

test('the message stays as it is, whatever it looks like', () => {
  const stack = 'Error: see bulkhead:///sample:3:1 and bulkhead:bridge:1:1\n  more of the message'
  expect(mapStack(stack, artifact.map)).toBe(stack)
})

test('8 K characters and 50 lines are kept', () => {
  expect(mapStack('x'.repeat(8192), '')).toHaveLength(8192)
  expect(mapStack('x'.repeat(8193), '')).toHaveLength(8192)
  expect(mapStack('x\n'.repeat(60), '').split('\n')).toHaveLength(50)
  expect(mapStack('x\n'.repeat(49), '').split('\n')).toHaveLength(50)
})

test('any stack and any map give text', () => {
  const frames = fc.constantFrom('    at x (bulkhead:///sample:3:7)', '    at '.repeat(999))
  const stacks = fc.array(fc.oneof(fc.string(), frames))
  const maps = fc.oneof(fc.string(), fc.json(), fc.constant(artifact.map))
  fc.assert(
    fc.property(stacks, maps, (lines, map) => {
      expect(mapStack(lines.join('\n'), map).length).toBeLessThan(9000)
    }),
  )
})
