import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { placeInstance } from '../../runtime/instance.ts'
import { residentMB } from '../../runtime/process-memory.ts'
import { ECHO, ECHO_WORKER } from './echo.ts'
import { contextOf, openScratch } from './scratch.ts'
import { median, report } from './table.ts'

const ROUNDS = 3
const UNITS = 100
const SETTLE_MS = 1_000

/** Resident memory that each of a hundred idle modules adds to its cell, and each worker thread to its process. */
export async function benchMemory(): Promise<void> {
  await using scratch = await openScratch()
  const version = await scratch.read(await scratch.write(ECHO))
  const context = contextOf(2_500)
  const loaded: number[] = []
  const called: number[] = []
  const workers: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const cells = await scratch.cells()
    const cell = await cells.cellFor('installed')
    await delay(SETTLE_MS)
    const empty = residentMB(cell.pid)
    const instances = []
    for (let unit = 0; unit < UNITS; unit++) instances.push((await placeInstance(`echo~${unit}`, version, cell)).instance)
    await delay(SETTLE_MS)
    loaded.push((residentMB(cell.pid) - empty) / UNITS)
    for (const instance of instances) await instance.call({ hook: context.hook }, JSON.stringify(context), 5_000)
    await delay(SETTLE_MS)
    called.push((residentMB(cell.pid) - empty) / UNITS)
    await cells[Symbol.asyncDispose]()
    workers.push(await workerMB())
  }

  const base = median(workers)
  const row = (what: string, values: number[]) => ({ what, figures: { 'MB each': median(values), '× worker': median(values) / base } })
  report(
    'memory',
    `Resident memory of an idle unit, ${UNITS} of them, medians of ${ROUNDS} rounds`,
    [row('worker_threads', workers), row('module, loaded', loaded), row('module, called once', called)],
    [{ what: 'memory of an idle module', value: median(called), atMost: 2.5, unit: 'MB' }],
  )
}

/** Started in a process of its own, which has nothing to give back from before. */
async function workerMB(): Promise<number> {
  const program = `
    const { Worker } = require('node:worker_threads')
    const rss = () => process.memoryUsage.rss() / 2 ** 20
    const before = rss()
    let ready = 0
    const onReady = () => {
      if (++ready < ${UNITS}) return
      setTimeout(() => { console.log((rss() - before) / ${UNITS}); process.exit() }, ${SETTLE_MS})
    }
    for (let unit = 0; unit < ${UNITS}; unit++) new Worker(${JSON.stringify(ECHO_WORKER)}, { eval: true }).once('message', onReady)`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program])
  return Number(stdout)
}
