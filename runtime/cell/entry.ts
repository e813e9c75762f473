import { Socket } from 'node:net'
import type { GuestSettings } from '../../bridge/contract.ts'
import { BulkheadError } from '../../bridge/errors.ts'
import { type CellCalls, type CellSettings, FRAME_BYTES, type HostCalls } from '../protocol.ts'
import { connect } from '../rpc.ts'
import { fittingMessage, startCoverage, takeCoverage } from './inspector.ts'
import { createSnapshot, type Snapshot } from './isolate.ts'
import { placeModule, type PlacedModule } from './placed.ts'
import { createSlots, type Slots } from './slots.ts'
import { startWatchdog } from './watchdog.ts'

// The cell: a child process without credentials. It ends by SIGKILL only, since a polite exit after
// a disposed isolate can crash.
const die = () => process.kill(process.pid, 'SIGKILL')

const modules = new Map<string, PlacedModule>()
let snapshot: Snapshot
let slots: Slots
let inspect: CellSettings['inspect']
const begun = Promise.withResolvers<void>()

const calls: CellCalls = {
  async boot(settings, bridge) {
    snapshot = createSnapshot(bridge)
    slots = createSlots(settings.threads)
    inspect = settings.inspect
    startWatchdog(modules, slots, doomed)
    return { head: null, body: '' }
  },
  async load(order, code) {
    if (modules.has(order.module)) throw new BulkheadError('CONFLICT', `${order.module} is in this cell already`)
    const module = placeModule(order, code, {
      snapshot,
      slots,
      inspected: inspect !== undefined,
      outside: {
        ask: async (execution, capability, args) => (await host.call('ask', { module: order.module, execution, capability }, args)).body,
        lost: (error) => {
          host.call('lost', { module: order.module, error: error.toJSON() }).catch(() => {})
        },
        doomed: (why) => doomed(why, order.module),
      },
    })
    modules.set(order.module, module)
    try {
      await openInspection(module, order.module)
      return await module.load()
    } catch (thrown) {
      module.retire()
      throw thrown
    }
  },
  call: (order, text) => find(order).run(order, text),
  async take(order, settings) {
    find(order).take(JSON.parse(settings) as Partial<GuestSettings>)
    return { head: null, body: '' }
  },
  async unload(order) {
    find(order).retire()
    return { head: null, body: '' }
  },
  ping: async () => ({ head: null, body: '' }),
  async coverage(order) {
    const { inspector, url } = find(order)
    if (!inspector) throw new BulkheadError('UNAVAILABLE', 'nothing was counted')
    return { head: null, body: await takeCoverage(inspector, url) }
  },
  async debug({ run, ...order }, message) {
    find(order).inspector?.dispatch(message)
    if (run) begun.resolve()
    return { head: null, body: '' }
  },
}

/** What has to be so before the first line of a module runs. */
async function openInspection({ inspector }: PlacedModule, key: string): Promise<void> {
  if (!inspector) return
  if (inspect === 'coverage') return await startCoverage(inspector)
  inspector.listen((message) => {
    host.call('debugged', { module: key }, fittingMessage(message)).catch(() => {})
  })
  if (inspect === 'waiting') await begun.promise
}

function find({ module: name }: { module: string }): PlacedModule {
  const module = modules.get(name)
  if (!module || module.gone) throw new BulkheadError('UNAVAILABLE', `${name} is not in this cell`)
  return module
}

function doomed(why: string, module?: string): void {
  host.call('doomed', module === undefined ? { why } : { why, module }).catch(() => {})
}

const host = connect<HostCalls>(new Socket({ fd: 3, readable: true, writable: true }), calls, {
  maxFrameBytes: FRAME_BYTES.toCell,
  onClose: die,
})
process.on('uncaughtException', (error) => {
  process.stderr.write(`cell: ${error.stack}\n`)
  die()
})
