import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BUILD_LIMITS, createBundler } from './process.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-bundler-'))
  await writeFile(join(folder, 'index.ts'), 'export const a = 1')
})
afterAll(() => rm(folder, { recursive: true }))

const request = () => ({ folder, entry: 'index.ts', name: 'sample' })

test('a module that takes too long is a fault, and the process serves the next', async () => {
  const impatient = createBundler({ ...BUILD_LIMITS, wallMs: 1 })
  expect(await impatient.build(request())).toEqual({ faults: [{ text: 'it cannot be bundled within 1 ms' }] })
  await impatient.stop()

  const patient = createBundler()
  expect(await patient.build(request())).toMatchObject({ built: { artifact: { inputs: ['index.ts'] } } })
  await patient.stop()
})

test('where esbuild cannot run at all the module is not blamed', async () => {
  const starved = createBundler({ ...BUILD_LIMITS, memoryMB: 1 })
  await expect(starved.build(request())).rejects.toMatchObject({ code: 'INTERNAL' })
  await starved.stop()
})

test('stopping ends the process after what was asked before, and asking again starts another', async () => {
  const bundler = createBundler()
  const first = bundler.build(request())
  const stopped = bundler.stop()
  const second = bundler.build(request())
  expect(await first).toHaveProperty('built')
  await stopped
  expect(await second).toHaveProperty('built')
  await bundler.stop()
  await bundler.stop()
})
