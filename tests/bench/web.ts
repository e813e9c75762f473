import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ivm from 'isolated-vm'
import { EXECUTION_CAPS } from '../../bridge/caps.ts'
import { bundleModule } from '../../runtime/bundle.ts'
import { createIsolate, createSnapshot, type Snapshot } from '../../runtime/cell/isolate.ts'
import { placeInstance } from '../../runtime/instance.ts'
import { openLoneCells } from '../../runtime/lone-cell.ts'
import { parseManifest } from '../../runtime/manifest.ts'
import { buildPrograms } from '../../runtime/programs.ts'
import { scriptTerms } from '../../runtime/terms.ts'
import { median, report } from './table.ts'

const ROUNDS = 40
const MB = 1024 * 1024
const READY_MS = 6
const READY_MB = 3
const TIMES_DENO = 10

const TOUCH_ALL = 'for (const name of Object.getOwnPropertyNames(globalThis)) globalThis[name]'
const BODIES = {
  'a few lines': '',
  'names URL and streams': '[() => URL, () => ReadableStream]',
  'uses URL': "new URL('https://a.b/c?d=e')",
  'touches everything': TOUCH_ALL,
}

/** What the globals cost an isolate, and how fast they are beside Deno's own. */
export async function benchWeb(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bulkhead-bench-'))
  try {
    const { bridge } = await buildPrograms(join(folder, 'cache'))
    const snapshot = createSnapshot(bridge)
    const bare = median(Array.from({ length: ROUNDS }, startBare))
    const bareMB = heapMB(new ivm.Isolate({ memoryLimit: 64 }))
    const rows = [{ what: 'isolate and context, bare', figures: { 'p50 ms': bare, 'MB of heap': bareMB } }]
    for (const [what, body] of Object.entries(BODIES)) {
      const times: number[] = []
      for (let round = 0; round < ROUNDS; round++) times.push(await startOne(snapshot, body))
      const megabytes = heapMB(new ivm.Isolate({ memoryLimit: 64, snapshot: snapshot.blobFor(body) }))
      rows.push({ what, figures: { 'p50 ms': median(times), 'MB of heap': megabytes } })
    }
    const ready = rows[2]?.figures as { 'p50 ms': number; 'MB of heap': number }
    report('web start', `Start of an isolate to its answer, ${ROUNDS} rounds`, rows, [
      { what: 'isolate with the common globals ready', value: ready['p50 ms'], atMost: READY_MS, unit: 'ms' },
      { what: 'its heap over a bare one', value: ready['MB of heap'] - bareMB, atMost: READY_MB, unit: 'MB' },
    ])
    await benchWork(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function startBare(): number {
  const start = performance.now()
  const isolate = new ivm.Isolate({ memoryLimit: 64 })
  isolate.createContextSync()
  const ms = performance.now() - start
  isolate.dispose()
  return ms
}

function heapMB(isolate: ivm.Isolate): number {
  isolate.createContextSync()
  const { total_heap_size: bytes } = isolate.getHeapStatisticsSync()
  isolate.dispose()
  return bytes / MB
}

/** ms from nothing to the answer of a module that has loaded. */
async function startOne(snapshot: Snapshot, body: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const settings = { hooks: [], script: false, fresh: false, config: null, permissions: [], env: {}, caps: EXECUTION_CAPS, memoryMB: 64 }
  const start = performance.now()
  const isolate = createIsolate({
    snapshot,
    code: `(async (__bulkhead_export) => {"use strict";${body}\n__bulkhead_export({ default: {} })})`,
    filename: 'bench',
    settings: JSON.stringify(settings),
    memoryMB: 64,
    onCatastrophe: reject,
  })
  const context = isolate.openContext((kind, _execution, _ask, _name, text) => {
    if (kind === 'done') resolve()
    else if (kind === 'failed') reject(new Error(text))
  })
  await Promise.all([promise, context.enter(['load', 'e1', ''])])
  const ms = performance.now() - start
  isolate.dispose()
  return ms
}

const WORK = `
const urls = ['https://user@example.org:8080/a/b/../c?d=e&f=g#h', '/x/y?z', 'http://example.org', 'https://a.b.c/%7Efoo/bar', 'file:///a/b']
const bytes = new TextEncoder().encode('The quick brown fox jumps. '.repeat(40000)).slice(0, 1 << 20)
const mixed = new TextEncoder().encode('Zwölf Boxkämpfer € '.repeat(50000)).slice(0, 1 << 20)
const decoder = new TextDecoder()
const text = decoder.decode(bytes)
const work = {
  '1,000 URLs ms': () => { for (let i = 0; i < 1000; i++) new URL(urls[i % 5], 'https://base.org/p/q').href },
  'decode 1 MB of ASCII ms': () => decoder.decode(bytes).length,
  'decode 1 MB of German ms': () => decoder.decode(mixed).length,
  'encode 1 MB ms': () => new TextEncoder().encode(text).length,
  'stream of 1,000 chunks ms': async () => {
    let n = 0
    const source = new ReadableStream({ pull(c) { c.enqueue(n); if (++n === 1000) c.close() } })
    for await (const _ of source.pipeThrough(new TransformStream())) n++
  },
  'structuredClone of 1,000 objects ms': () => structuredClone(Array.from({ length: 1000 }, (_, id) => ({ id, name: 'n' + id, tags: ['a', 'b'] }))),
  '10,000 events ms': () => { const target = new EventTarget(); let n = 0; target.addEventListener('x', () => n++); for (let i = 0; i < 10000; i++) target.dispatchEvent(new Event('x')) },
}
const figures = {}
for (const [what, run] of Object.entries(work)) {
  const times = []
  for (let round = 0; round < 25; round++) {
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
  }
  figures[what] = times.sort((a, b) => a - b)[12]
}
console.log(JSON.stringify(figures))
`

async function benchWork(folder: string): Promise<void> {
  const scripts = join(folder, 'scripts')
  await mkdir(scripts)
  await writeFile(join(scripts, 'work.js'), WORK)
  const launcher = createRequire(import.meta.url).resolve('deno/bin.cjs')
  const env = { HOME: folder, DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', NO_COLOR: '1' }
  const command = [launcher, 'run', '--no-remote', '--no-npm', join(scripts, 'work.js')]
  const deno = JSON.parse((await promisify(execFile)(process.execPath, command, { env })).stdout) as Record<string, number>

  const lines: string[] = []
  await using cells = await openLoneCells(() => {}, ({ message }) => lines.push(message))
  const manifest = parseManifest('name: script\nversion: 0.0.0\ndescription: A script\nlimits: { maxExecutionMs: 30000, maxCpuMs: 20000, maxMemoryMB: 128 }\n', 'script')
  const artifact = await bundleModule({ folder: scripts, entry: 'work.js', name: 'work', cache: join(folder, 'artifacts') })
  await placeInstance('work~1', { manifest, artifact, terms: scriptTerms(['log'], {}), script: true }, await cells.open())
  const ours = JSON.parse(lines.at(-1) ?? '{}') as Record<string, number>

  const rows = Object.entries(ours).map(([what, ms]) => ({ what, figures: { Bulkhead: ms, Deno: deno[what] as number, '× Deno': ms / (deno[what] as number) } }))
  report(
    'web work',
    'Globals in a module and in Deno, the same script in the same run, medians of 25',
    rows,
    rows.map(({ what, figures }) => ({ what: `${what}, beside Deno`, value: figures['× Deno'], atMost: TIMES_DENO, unit: '×' })),
  )
}
