import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NODE_MODULES } from '../bundler/node-modules.ts'
import { type BesideDeno, openBesideDeno } from './beside-deno.setup.ts'
import { openWorkshop, type Workshop } from './loading.setup.ts'

let workshop: Workshop
let beside: BesideDeno
beforeAll(async () => {
  workshop = await openWorkshop()
  beside = await openBesideDeno()
})
afterAll(async () => {
  await workshop[Symbol.asyncDispose]()
  await beside[Symbol.asyncDispose]()
})

test.each(['modules', 'async-context'])('the modules of Node answer as those of Deno: %s', { timeout: 90_000 }, async (name) => {
  const path = `fixtures/node/${name}.ts`
  expect(await beside.printed(path)).toEqual(await beside.printedByDeno(path))
})

test('a script with a deno.json finds what it finds under Deno', { timeout: 60_000 }, async () => {
  const path = 'fixtures/imports/main.tsx'
  expect(await beside.printed(path)).toEqual(await beside.printedByDeno(path))
})

test('every module of Node that there is can be imported, whole and by require', { timeout: 60_000 }, async () => {
  const names = Object.keys(NODE_MODULES)
  const folder = await workshop.folder({
    'index.ts': `${names.map((name, index) => `import * as m${index} from 'node:${name}'`).join('\n')}
      import required from './required.cjs'
      const all = [${names.map((_, index) => `m${index}`).join(', ')}]
      console.log(all.filter((one) => typeof one.default !== 'object' && typeof one.default !== 'function').length, required)`,
    'required.cjs': `module.exports = [${names.map((name) => `typeof require('node:${name}')`).join(', ')}].filter((type) => type === 'undefined').length`,
  })
  expect(await beside.printed(join(folder, 'index.ts'))).toEqual(['0 0'])
})

test('what is not used of them is left out', async () => {
  const plain = await workshop.bundle(await workshop.folder({ 'index.ts': "import { join } from 'node:path'\nexport default join('a', 'b')" }))
  expect(plain.code.length).toBeLessThan(25_000)
  const none = await workshop.bundle(await workshop.folder({ 'index.ts': "export default 'process, Buffer, setImmediate'" }))
  expect(none.code.length).toBeLessThan(2000)
})

test('a stack leads to the author’s line also where awaits are lowered', async () => {
  const folder = await workshop.folder({
    'index.ts': "import { AsyncLocalStorage } from 'node:async_hooks'\nnew AsyncLocalStorage().run(1, async () => {\n  await null\n  fail()\n})\nfunction fail(): never {\n  throw new RangeError('here')\n}\nawait new Promise((done) => setTimeout(done, 5))",
  })
  const error = await beside.printed(join(folder, 'index.ts')).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ message: expect.stringContaining('here'), details: { stack: expect.stringContaining('index.ts:7:9') } })
})
