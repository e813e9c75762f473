import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { asBulkheadError, BulkheadError } from '../bridge/errors.ts'
import type { HostCalls } from './protocol.ts'
import { spawnCell } from './spawn.ts'

// A cell's program that tries what a cell must not do and answers the boot with how each attempt ended.
const PROBE = `
import fs from 'node:fs'
import net from 'node:net'
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
const attempt = async (work) => { try { return String(await work()) } catch (error) { return error.code ?? error.message } }
const socket = new net.Socket({ fd: 3, readable: true, writable: true })
socket.once('data', async () => {
  const head = JSON.stringify({ id: 1, head: {
    environment: JSON.stringify(process.env),
    write: await attempt(() => fs.writeFileSync('/tmp/bulkhead-probe', 'x')),
    readElsewhere: await attempt(() => fs.readFileSync('/etc/hostname')),
    childProcess: await attempt(() => spawnSync('true').error?.code),
    worker: await attempt(() => new Worker('1', { eval: true })),
    connect: await attempt(() => new Promise((resolve, reject) => net.connect(1, '127.0.0.1', resolve).on('error', reject))),
    listen: await attempt(() => new Promise((resolve, reject) => net.createServer().listen(0, resolve).on('error', reject))),
  } })
  const frame = Buffer.alloc(8 + head.length)
  frame.writeUInt32LE(4 + head.length, 0)
  frame.writeUInt32LE(head.length, 4)
  frame.write(head, 8)
  socket.write(frame)
})`

let folder: string
const noCalls = {} as HostCalls
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulkhead-spawn-'))
})
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))

async function spawnProgram(code: string) {
  const cellFile = join(folder, `${crypto.randomUUID()}.mjs`)
  await writeFile(cellFile, code)
  return spawnCell({ cellFile, bridge: '' }, { threads: 1 }, noCalls, () => {})
}

test('a cell has no environment, writes and reads no files, starts no process and no worker, and has no network', async () => {
  let report: unknown
  const cellFile = join(folder, 'probe.mjs')
  await writeFile(cellFile, PROBE.replace('socket.write(frame)', "process.stderr.write(head); socket.write(frame)"))
  const cell = await spawnCell({ cellFile, bridge: '' }, { threads: 1 }, noCalls, () => {})
  cell.kill(asBulkheadError(undefined))
  report = JSON.parse((await cell.ended).stderr).head
  expect(report).toEqual({
    environment: expect.stringMatching(/^\{"MALLOC_MMAP_THRESHOLD_":"131072"\}$/),
    write: 'ERR_ACCESS_DENIED',
    readElsewhere: 'ERR_ACCESS_DENIED',
    childProcess: 'ERR_ACCESS_DENIED',
    worker: 'ERR_ACCESS_DENIED',
    connect: 'ERR_ACCESS_DENIED',
    listen: 'ERR_ACCESS_DENIED',
  })
})

test('a program that ends before it has booted is an error with its last words', async () => {
  const started = spawnProgram('process.stderr.write("out of luck\\n"); process.exit(3)')
  await expect(started).rejects.toSatisfy((error) => error instanceof BulkheadError && error.code === 'CELL_LOST')
})

test('a program that breaks the protocol is ended as a violation', async () => {
  const started = spawnProgram(`
    import net from 'node:net'
    const socket = new net.Socket({ fd: 3, readable: true, writable: true })
    socket.write(Buffer.alloc(64, 0xff))
    setInterval(() => {}, 1000)`)
  await expect(started).rejects.toMatchObject({ code: 'CELL_LOST' })
})
