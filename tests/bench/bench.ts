import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { benchCall } from './call.ts'
import { benchChain } from './chain.ts'
import { benchDb } from './db.ts'
import { benchEvents } from './events.ts'
import { benchGraph } from './graph.ts'
import { benchHttp } from './http.ts'
import { benchKill } from './kill.ts'
import { benchKv } from './kv.ts'
import { benchMemory } from './memory.ts'
import { benchNeighbours } from './neighbours.ts'
import { benchNet } from './net.ts'
import { benchRecovery } from './recovery.ts'
import { benchReload } from './reload.ts'
import { benchRounds } from './rounds.ts'
import { benchServer } from './server.ts'
import { benchSoak } from './soak.ts'
import { benchStart } from './start.ts'
import { benchWeb } from './web.ts'

const BENCHES: Record<string, (minutes: number) => Promise<void>> = {
  call: benchCall,
  chain: benchChain,
  events: benchEvents,
  db: benchDb,
  graph: benchGraph,
  start: benchStart,
  memory: benchMemory,
  server: benchServer,
  http: benchHttp,
  neighbours: benchNeighbours,
  net: benchNet,
  kill: benchKill,
  kv: benchKv,
  recovery: benchRecovery,
  reload: benchReload,
  rounds: benchRounds,
  soak: benchSoak,
  web: benchWeb,
}
const USAGE = `usage: npm run bench -- [${Object.keys(BENCHES).join(' | ')} | soak=MINUTES]...\n`

const asked = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BENCHES)
const runs = asked.map((argument) => {
  const [, name = '', minutes = '1'] = /^(\w+)(?:=(\d+(?:\.\d+)?))?$/.exec(argument) ?? []
  return { argument, run: Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined, minutes: Number(minutes) }
})
const [first] = runs
if (!first || runs.some(({ run }) => !run)) {
  process.stderr.write(USAGE)
  process.exitCode = 2
} else if (runs.length === 1) {
  await first.run?.(first.minutes)
} else {
  const [load] = loadavg()
  process.stdout.write(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), load average ${load?.toFixed(2)}\n`)
  // Each in a process of its own: one's garbage and compiled code are not another's.
  for (const { argument } of runs) {
    const [code] = await once(spawn(process.execPath, [import.meta.filename, argument], { stdio: 'inherit' }), 'exit')
    if (code !== 0) process.exitCode = 1
  }
}
