import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { netCapabilities, type NetCapabilities } from '../bridge/net.host.ts'
import { type Loopback, openLoopback } from './loopback.ts'
import { openWebLab, runInDeno, type WebLab } from './web-lab.ts'

let lab: WebLab
let server: Loopback
let net: NetCapabilities
beforeAll(async () => {
  server = await openLoopback()
  net = netCapabilities()
  lab = await openWebLab(net.capabilities)
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await net[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

const scripts = readdirSync('fixtures/web-net').filter((name) => name.endsWith('.ts'))

test.each(scripts)('%s says the same in Deno and in an isolate', { timeout: 90_000 }, async (name) => {
  const file = join(lab.folder, name)
  const text = await readFile(`fixtures/web-net/${name}`, 'utf8')
  await writeFile(file, text.replace("'BASE'", `'http://127.0.0.1:${server.port}'`))
  const permissions = [`net:127.0.0.1:${server.port}`, 'net:127.0.0.1:1']
  const limits = 'maxExecutionMs: 60000, maxCpuMs: 30000, maxMemoryMB: 128'
  const [here, there] = await Promise.all([lab.run(file, { permissions, limits }), runInDeno(lab.folder, file, ['--allow-net'])])
  expect(here.error).toBeUndefined()
  expect(there.length).toBeGreaterThan(10)
  expect(here.lines).toEqual(there)
})
