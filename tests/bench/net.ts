import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { netCapabilities } from '../../bridge/net.host.ts'
import { openWebLab, runInDeno } from '../web-lab.ts'
import { report } from './table.ts'

/** Of these no more than twice Deno's time is expected. */
const EXPECTED = ['SHA-256 of 1 MB', 'gzip of 1 MB and back', 'fetch of a JSON', 'fetch of 1 MB']

const SCRIPT = `
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
const inTurn = async (name: string, times: number, work: () => Promise<unknown>) => {
  for (let i = 0; i < times / 5; i++) await work()
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const start = performance.now()
    await work()
    took.push(performance.now() - start)
  }
  console.log(name + '=' + median(took))
}
const data = new Uint8Array(1 << 20)
await inTurn('SHA-256 of 1 MB', 50, () => crypto.subtle.digest('SHA-256', data))
await inTurn('SHA-256 of 100 bytes', 200, () => crypto.subtle.digest('SHA-256', data.subarray(0, 100)))
await inTurn('gzip of 1 MB and back', 10, async () => {
  const zipped = new Blob([data]).stream().pipeThrough(new CompressionStream('gzip'))
  await new Response(zipped.pipeThrough(new DecompressionStream('gzip'))).bytes()
})
await inTurn('fetch of a JSON', 150, async () => (await fetch('BASE/json')).json())
await inTurn('fetch of 1 MB', 20, async () => (await fetch('BASE/bytes/1000000')).bytes())
await inTurn('16 fetches at once', 20, () => Promise.all(Array.from({ length: 16 }, async () => (await fetch('BASE/json')).json())))
`

/** What host and cell do for a module's Web APIs, beside Deno in the same run: milliseconds in the median. */
export async function benchNet(): Promise<void> {
  using server = await startServer()
  await using net = netCapabilities()
  await using lab = await openWebLab(net.capabilities)
  const file = join(lab.folder, 'bench.ts')
  await writeFile(file, SCRIPT.replaceAll('BASE', `http://127.0.0.1:${server.port}`))
  const read = (lines: string[]) => new Map(lines.map((line) => line.split('=') as [string, string]))
  const limits = 'maxExecutionMs: 60000, maxCpuMs: 60000, maxMemoryMB: 256'
  const { lines, error } = await lab.run(file, { permissions: [`net:127.0.0.1:${server.port}`], limits })
  if (error) throw error
  const [here, there] = [read(lines), read(await runInDeno(lab.folder, file, ['--allow-net']))]
  const rows = [...here].map(([what, ms]) => ({ what, figures: { 'ms here': Number(ms), 'ms in Deno': Number(there.get(what)), times: Number(ms) / Number(there.get(what)) } }))
  const promises = rows.filter(({ what }) => EXPECTED.includes(what)).map(({ what, figures }) => ({ what, value: figures.times, atMost: 2, unit: 'times as long as Deno' }))
  report('net', "What host and cell do for a module's Web APIs, in turn", rows, promises)
}

const SERVER = `
const { openLoopback } = await import(${JSON.stringify(import.meta.resolve('../loopback.ts'))})
process.send((await openLoopback()).port)
process.on('disconnect', () => process.exit())
`

/** In a process of its own, as it is for Deno: the host has enough to do with the fetching. */
async function startServer(): Promise<Disposable & { port: number }> {
  const server = spawn(process.execPath, ['--input-type=module', '-e', SERVER], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const [port] = (await once(server, 'message')) as [number]
  return { port, [Symbol.dispose]: () => void server.kill() }
}
