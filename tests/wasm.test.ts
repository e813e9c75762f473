import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Lab, openLab } from './module-lab.ts'

const MB_PAGES = 16

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
  await lab.write('wasm', 'hooks: [product:before_ai]\nlimits: { maxMemoryMB: 32 }', MODULE)
  await lab.start()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

async function run(want: string, value?: unknown): Promise<unknown> {
  const { modifications, failures } = await lab.hook('product:before_ai', { input: { want, value } })
  return failures[0]?.code ?? modifications?.output?.['said']
}

test.each<[what: string, want: string, value: unknown, answer: unknown]>([
  ['instantiates bytes', 'bytes', undefined, 42],
  ['instantiates an ArrayBuffer', 'buffer', undefined, 42],
  ['instantiates a DataView of a part of a buffer', 'view', undefined, 42],
  ['instantiates what it compiled before', 'module', undefined, 42],
  ['lends imports', 'imports', undefined, 43],
  ['shares a memory with an instance', 'memory', undefined, 7],
  ['tells instances of its classes', 'classes', undefined, [true, true, true]],
  ['describes a module', 'describe', undefined, { imports: [], exports: [{ name: 'answer', kind: 'function' }] }],
  ['validates', 'validate', undefined, [true, false]],
  ['rejects what is no binary', 'broken', undefined, 'CompileError'],
  ['rejects what are no bytes', 'nothing', undefined, 'TypeError'],
  ['does not construct without new', 'call', undefined, 'TypeError'],
  ['has a place for a hidden memory with a maximum', 'hidden', MB_PAGES, true],
  ['refuses a hidden memory that may grow past the limit', 'hidden', 33 * MB_PAGES, 'Interrupted'],
  ['has room for memories of just the limit', 'pages', 32 * MB_PAGES, true],
  ['refuses one page more', 'pages', 32 * MB_PAGES + 1, 'Interrupted'],
  ['refuses a page to a memory that has all', 'grow', 1, 'Interrupted'],
])('%s', async (_what, want, value, answer) => {
  expect(await run(want, value)).toEqual(answer)
})

test('what grew past the limit from within ends the next execution that finds it so, and the module starts anew', async () => {
  expect(await run('keep', 33 * MB_PAGES)).toBe(33 * MB_PAGES)
  expect(await run('bytes')).toBe('MEMORY_LIMIT')
  await expect.poll(() => run('bytes')).toBe(42)
})

const MODULE = `
const head = [0, 97, 115, 109, 1, 0, 0, 0]
// (func (export "answer") (result i32) (i32.const 42))
const ANSWER = new Uint8Array([...head, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 10, 1, 6, 97, 110, 115, 119, 101, 114, 0, 0, 10, 6, 1, 4, 0, 65, 42, 11])
// (import "m" "f" (func $f (result i32))) (func (export "answer") (result i32) (i32.add (call $f) (i32.const 1)))
const ADD = new Uint8Array([
  ...head, 1, 5, 1, 96, 0, 1, 127, 2, 7, 1, 1, 109, 1, 102, 0, 0, 3, 2, 1, 0, 7, 10, 1, 6, 97, 110, 115, 119, 101, 114, 0, 1, 10, 9, 1, 7, 0, 16, 0, 65, 1, 106, 11,
])
// (import "m" "m" (memory 1)) (func (export "answer") (result i32) (i32.load8_u (i32.const 5)))
const READ = new Uint8Array([
  ...head, 1, 5, 1, 96, 0, 1, 127, 2, 8, 1, 1, 109, 1, 109, 2, 0, 1, 3, 2, 1, 0, 7, 10, 1, 6, 97, 110, 115, 119, 101, 114, 0, 0, 10, 9, 1, 7, 0, 65, 5, 45, 0, 0, 11,
])
// (memory (export "m") 0) (func (export "f") (param i32) (result i32) (drop (memory.grow (local.get 0))) (memory.size))
const GROW = new Uint8Array([
  ...head, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 0, 7, 9, 2, 1, 109, 2, 0, 1, 102, 0, 0, 10, 11, 1, 9, 0, 32, 0, 64, 0, 26, 63, 0, 11,
])
// (memory 0 max)
const hidden = (max) => new Uint8Array([...head, 5, 5, 1, 1, 0, max % 128 + 128, max >> 7])
const kept = []
const answerOf = ({ exports }) => exports.answer()
const nameOf = (work) => { try { return work() } catch (error) { return error.name } }

const wants = {
  bytes: async () => answerOf((await WebAssembly.instantiate(ANSWER)).instance),
  buffer: async () => answerOf((await WebAssembly.instantiate(ANSWER.buffer)).instance),
  view: async () => {
    const padded = new Uint8Array([9, 9, ...ANSWER, 9])
    return answerOf((await WebAssembly.instantiate(new DataView(padded.buffer, 2, ANSWER.length))).instance)
  },
  module: async () => answerOf(await WebAssembly.instantiate(await WebAssembly.compile(ANSWER))),
  imports: async () => answerOf((await WebAssembly.instantiate(ADD, { m: { f: () => 42 } })).instance),
  memory: async () => {
    const memory = new WebAssembly.Memory({ initial: 1 })
    new Uint8Array(memory.buffer)[5] = 7
    return answerOf((await WebAssembly.instantiate(READ, { m: { m: memory } })).instance)
  },
  classes: async () => {
    const { module, instance } = await WebAssembly.instantiate(GROW)
    return [module instanceof WebAssembly.Module, instance instanceof WebAssembly.Instance, instance.exports.m instanceof WebAssembly.Memory]
  },
  describe: () => {
    const module = new WebAssembly.Module(ANSWER)
    return { imports: WebAssembly.Module.imports(module), exports: WebAssembly.Module.exports(module) }
  },
  validate: () => [WebAssembly.validate(ANSWER), WebAssembly.validate(new Uint8Array([1, 2]))],
  broken: () => WebAssembly.instantiate(new Uint8Array([1, 2])).catch((error) => error.name),
  nothing: () => WebAssembly.instantiate({}).catch((error) => error.name),
  call: () => nameOf(() => WebAssembly.Module(ANSWER)),
  hidden: (max) => nameOf(() => new WebAssembly.Instance(new WebAssembly.Module(hidden(max))) && true),
  pages: (initial) => nameOf(() => new WebAssembly.Memory({ initial }) && true),
  grow: (pages) => nameOf(() => new WebAssembly.Memory({ initial: 512 }).grow(pages) && true),
  keep: (pages) => {
    kept.push(new WebAssembly.Instance(new WebAssembly.Module(GROW)))
    return kept[0].exports.f(pages)
  },
}

export default {
  async handle(hook, { input: { want, value } }) {
    return { action: 'continue', modifications: { output: { said: await wants[want](value) } } }
  },
}`
