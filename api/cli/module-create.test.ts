import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bulkhead } from './cli.setup.ts'
import { TEMPLATES } from './module-templates.ts'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bulkhead-create-'))
})
afterAll(() => rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

describe.each(Object.keys(TEMPLATES))('a new module of the type %s', (type) => {
  test('is valid and passes its own tests in an isolate', async () => {
    const folder = join(root, type)
    expect(await bulkhead('module:create', `my-${type}`, '--type', type, '--folder', folder)).toMatchObject({ code: 0, stderr: '' })
    expect((await readdir(folder)).toSorted()).toEqual(['README.md', 'index.ts', 'index_test.ts', 'module.yaml'])
    expect(await bulkhead('module:validate', folder)).toEqual({ code: 0, stdout: `${folder} is valid: my-${type} 0.1.0\n`, stderr: '' })
    const { code, stdout } = await bulkhead('module:test', folder)
    expect(stdout).toMatch(/ok \| [2-9] passed \| 0 failed/)
    expect(code).toBe(0)
  })
})

test('nothing is written over', async () => {
  const folder = join(root, 'mine')
  await mkdir(folder)
  await writeFile(join(folder, 'index.ts'), 'mine')
  expect(await bulkhead('module:create', 'mine', '--folder', folder)).toMatchObject({ code: 1, stderr: `error: cannot create ${folder}, there is something in it already\n` })
  expect([await readdir(folder), await readFile(join(folder, 'index.ts'), 'utf8')]).toEqual([['index.ts'], 'mine'])
  expect(await bulkhead('module:create', 'mine', '--folder', join(folder, 'index.ts'))).toMatchObject({ code: 1 })
})

test.each([
  [['My Module'], 'name: must be lower-case letters'],
  [[], 'no name was given'],
  [['a', 'b'], '"b" is another'],
  [['a', '--type', 'deamon'], 'unknown type "deamon", did you mean "daemon"?'],
  [['a', '--typ', 'daemon'], "'--typ'"],
])('%j is refused, and nothing is written', async (args, message) => {
  const { code, stderr } = await bulkhead('module:create', ...args, '--folder', join(root, 'refused'))
  expect(stderr).toContain(message)
  expect(code).toBe(2)
  expect(await readdir(root)).not.toContain('refused')
})
