import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bulkhead } from './cli.setup.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-validate-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

test('each fault is a line with its file and its place, and the exit code is 1', async () => {
  await writeFile(join(folder, 'module.yaml'), 'name: a\nversion: one\ndescription: A\nhooks: [chat:befor_ai]\n')
  await writeFile(join(folder, 'index.ts'), 'import { x } from "./lib"\nexport default { x }\n')
  await writeFile(join(folder, 'lib.ts'), 'export const x = 1\n')
  const { code, stdout, stderr } = await bulkhead('module:validate', folder)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(new RegExp(`^${folder}/module.yaml:2:10 version: must be a semantic version`))
  expect(lines[1]).toMatch(/module.yaml:4:9 hooks\[0\]: unknown hook "chat:befor_ai", did you mean "chat:before_ai"\?$/)
  expect(lines[2]).toMatch(/index.ts:1:\d+ .*did you mean "lib.ts"\?$/)
  expect(stderr).toBe(`${folder} has 3 faults\n`)
  expect(code).toBe(1)
})

test.each([
  [[], 'no folder was named'],
  [['a', 'b'], '"b" is another'],
  [['a', '--fix'], "'--fix'"],
])('%j is wrong usage', async (args, message) => {
  const { code, stderr } = await bulkhead('module:validate', ...args)
  expect(stderr).toContain(message)
  expect(code).toBe(2)
})

test('a folder that is not there has one fault', async () => {
  const { code, stdout } = await bulkhead('module:validate', join(folder, 'nowhere'))
  expect(stdout).toContain('the folder does not exist')
  expect(code).toBe(1)
})
