import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { validateModule } from './validate.ts'

const shipped = (await Array.fromAsync(glob('modules/*/module.yaml'))).map((file) => basename(dirname(file)))
let cache: string
let folder: string
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'bulkhead-cache-'))
})
afterAll(() => rm(cache, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-module-'))
})
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

/** The faults of a module, as `line message` or `file:line message`. */
async function faultsOf(manifest: string, code: string): Promise<string[]> {
  await writeFile(join(folder, 'module.yaml'), `name: a\nversion: 1.0.0\ndescription: A\n${manifest}`)
  await writeFile(join(folder, 'index.ts'), code)
  const { faults } = await validateModule(folder, cache)
  return faults.map(({ file, line, path, message }) => {
    const name = file === `${folder}/module.yaml` ? '' : `${file.replace(`${folder}/`, '')}:`
    return `${name}${line} ${path ? `${path}: ` : ''}${message}`
  })
}

test.each([
  [
    'a hook without a function, and a function without its hook',
    'hooks:\n  - chat:before_ai\n  - session:end\n',
    `export default { hooks: { 'session:ends'() {}, 'session:end'() {} } }`,
    [
      '5 hooks[0]: "chat:before_ai" has no function in the code; add it to hooks of defineModule, or write handle()',
      '4 hooks: the code answers "session:ends", which is not listed here and would never be called',
    ],
  ],
  [
    'jobs',
    'intervals:\n  tick: { everyMs: 1000 }\nschedules:\n  dayly: { cron: "0 0 * * *" }\n',
    `export default { jobs: { tick() {}, daily() {} } }`,
    [
      '7 schedules.dayly: "dayly" has no function in jobs of the code, did you mean "daily"?',
      '1 the code has the job "daily", which neither intervals nor schedules name and nobody would run',
    ],
  ],
  ['topics without a function', 'subscribe: [orders.*]\n', 'export default {}', ['4 subscribe: names topics, but the code has neither topics nor onMessage()']],
  ['a service without functions', 'type: service\n', 'export default {}', ['4 type: is service, but the code has no getService() that returns functions']],
  ['a daemon that does not start', 'type: daemon\n', 'export default { stop() {} }', ['4 type: is daemon, but the code has no start()']],
  [
    'settings that differ',
    'config:\n  type: object\n  properties:\n    size: { type: integer, default: 1 }\n    mask: { type: string, default: x }\ndefaults: { mask: y }\n',
    `export default { config: { size: 2, mask: 'y', sise: 1 } }`,
    [
      '7 config.properties.size.default: is 1 by default, and 2 in the code',
      '6 config.properties: the code has the setting "sise", which is not described here, did you mean "size"?',
    ],
  ],
  ['settings without a schema', '', 'export default { config: { size: 2 } }', ['1 the code has the setting "size", but there is no config here']],
  [
    'what the top level throws',
    '',
    `import { x } from './x.ts'\nexport default { onLoad: x }\nfunction fail(): never {\n  throw new TypeError('not today')\n}\nfail()`,
    ['index.ts:4 cannot be loaded, it throws TypeError: not today'],
  ],
  ['what onLoad throws', '', `export default {\n  onLoad() {\n    throw new RangeError('no')\n  },\n}`, ['index.ts:3 cannot be loaded, it throws RangeError: no']],
  [
    'a top level that does not end',
    'limits: { maxCpuMs: 100, maxExecutionMs: 1000 }\n',
    `for (;;);`,
    [expect.stringMatching(/cannot be loaded, .* may use 100 ms/)],
  ],
])('%s', async (_, manifest, code, faults) => {
  await writeFile(join(folder, 'x.ts'), 'export const x = () => {}')
  expect(await faultsOf(manifest, code)).toEqual(faults)
})

test('a setting that only an operator has is taken from the code', async () => {
  const manifest = 'config:\n  type: object\n  required: [key]\n  properties: { key: { type: string } }\n'
  const code = `export default { config: { key: 'k' }, onLoad(config) { if (config.key !== 'k') throw new Error(JSON.stringify(config)) } }`
  expect(await faultsOf(manifest, code)).toEqual([])
})

test('faults of the manifest and of the bundle are told together', async () => {
  expect(await faultsOf('hook: []\n', 'import "./absent.ts"')).toEqual([
    expect.stringContaining('4 hook: unknown field, did you mean "hooks"?'),
    expect.stringContaining('index.ts:1 "absent.ts" does not exist'),
  ])
})

test.each(shipped)('nothing is wrong with %s', async (name) => {
  const { faults, manifest } = await validateModule(`modules/${name}`, cache)
  expect([faults, manifest?.name]).toEqual([[], name])
})
