import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { residentMB } from '../runtime/process-memory.ts'
import { type FreshLab, type FreshModule, openFreshLab } from './fresh-lab.ts'

const GENEROUS = '{ maxCpuMs: 30000, maxExecutionMs: 60000 }'

let lab: FreshLab
beforeAll(async () => {
  lab = await openFreshLab()
})
afterAll(() => lab?.[Symbol.asyncDispose]())

describe('of one execution, the next finds', () => {
  let module: FreshModule
  beforeAll(async () => {
    module = await lab.place(
      `let count = 0
       globalThis.loads = (globalThis.loads ?? 0) + 1
       class Kept { static all = [] }
       const seen = () => ({
         global: typeof globalThis.left, loads: globalThis.loads, count: count++, kept: Kept.all.push(1),
         map: [1].map((n) => n + 1)[0], polluted: ({}).polluted, json: JSON.stringify([1]), promise: String(Promise.prototype.then).includes('native'),
         console: typeof console.left, fetch: fetch.name, url: new URL('http://a/').href, weak: typeof WeakRef, frozen: Object.isFrozen(Array.prototype),
         prepared: typeof Error.prepareStackTrace, symbol: typeof globalThis[Symbol.for('left')],
       })`,
      `seen,
       spoil() {
         globalThis.left = globalThis[Symbol.for('left')] = 1
         Kept.all.push(1, 2, 3)
         count = 100
         console.left = 1
         Error.prepareStackTrace = () => 'mine'
         globalThis.fetch = function mine() {}
         URL.prototype.toString = () => 'mine'
         Object.defineProperty(URL.prototype, 'href', { get: () => 'mine' })
         Object.prototype.polluted = 1
         JSON.stringify = () => 'mine'
         Array.prototype.map = () => ['mine']
         Object.freeze(Array.prototype)
         Promise.prototype.then = function then() { return Reflect.apply(() => 'mine', this, []) }
       },
       random: () => [Math.random(), crypto.randomUUID()],`,
    )
  })

  test('no global, no changed prototype, no variable of the module', async () => {
    const clean = await module.ask('seen')
    expect(clean).toEqual({
      global: 'undefined', loads: 1, count: 0, kept: 1, map: 2, json: '[1]', promise: true, console: 'undefined', fetch: 'fetch',
      url: 'http://a/', weak: 'undefined', frozen: false, prepared: 'undefined', symbol: 'undefined',
    })
    await module.ask('spoil')
    expect(await module.ask('seen')).toEqual(clean)
  })

  test('other random numbers', async () => {
    const [[one, uuid], [other, otherUuid]] = (await Promise.all([module.ask('random'), module.ask('random')])) as [[number, string], [number, string]]
    expect([one === other, uuid === otherUuid]).toEqual([false, false])
  })
})

test('executions that interleave are apart: each with its own globals, console, powers and answers', async () => {
  const module = await lab.place(
    `const meet = async (ctx, me, other) => {
       await ctx.kv.set([me], true)
       while (!(await ctx.kv.get([other])).value) await new Promise((done) => setTimeout(done, 1))
     }`,
    `async meet({ me, other }, ctx) {
       globalThis.mine = me
       Array.prototype.mark = me
       console.log = () => ctx.log.info('by ' + me)
       const channel = new BroadcastChannel('all')
       const heard = []
       channel.onmessage = ({ data }) => heard.push(data)
       new BroadcastChannel('all').postMessage(me)
       await meet(ctx, me, other)
       console.log('here')
       await ctx.emit('met', { me })
       const zipped = await new Response(new Blob([me.repeat(1000)]).stream().pipeThrough(new CompressionStream('gzip'))).bytes()
       await meet(ctx, me + ' again', other + ' again')
       const text = await new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream('gzip'))).text()
       return { mine: globalThis.mine, mark: [].mark, heard: [...new Set(heard)], text: text === me.repeat(1000), emit: typeof ctx.emit }
     },`,
    GENEROUS,
  )
  const of = (me: string) => ({ mine: me, mark: me, heard: [me], text: true, emit: 'function' })
  expect(await Promise.all([module.ask('meet', { me: 'a', other: 'b' }), module.ask('meet', { me: 'b', other: 'a' })])).toEqual([of('a'), of('b')])
  expect(lab.lines.filter((line) => line.startsWith('by ')).toSorted()).toEqual(['by a', 'by b'])
})

describe('what an execution leaves behind', () => {
  test('has no effect: no timer, no answer, no rejection, no microtask of it', async () => {
    const module = await lab.place(
      `let ended = false`,
      `async leave(what, ctx) {
         const say = (how) => { console.log(what + ' ' + how); ctx.emit('late', { what, how }).catch(() => {}) }
         addEventListener('unhandledrejection', () => say('rejection'))
         setTimeout(() => say('timer'), 1)
         setInterval(() => say('interval'), 1)
         ctx.kv.get(['x']).then(() => setTimeout(() => say('answer'), 0))
         setTimeout(() => { Promise.reject(new Error('late')) }, 1)
         return what
       },
       async wait() { for (let i = 0; i < 20; i++) await new Promise((done) => setTimeout(done, 2)); return 'waited' },`,
      GENEROUS,
    )
    const before = lab.lines.length
    expect(await Promise.all([module.ask('wait'), module.ask('leave', 'one')])).toEqual(['waited', 'one'])
    expect(await module.ask('leave', 'two')).toBe('two')
    expect(await module.ask('wait')).toBe('waited')
    expect(lab.lines.slice(before)).toEqual([])
    expect(lab.records.filter(({ type }) => type === 'late')).toEqual([])
  })

  test('does not add up: a thousand executions that each keep two megabytes fit into 32', { timeout: 120_000 }, async () => {
    const module = await lab.place('', `keep() { globalThis.kept = new Array(1 << 18).fill(0.5); setInterval(() => globalThis.kept, 1e6); return globalThis.kept.length }`, '{ maxMemoryMB: 32 }')
    const many = async (calls: number) => {
      for (let left = calls; left > 0; left -= 4) {
        expect(await Promise.all([1, 2, 3, 4].map(() => module.ask('keep')))).toEqual(Array(4).fill(1 << 18))
      }
    }
    await many(200)
    const warm = residentMB(module.cell.pid)
    await many(800)
    expect(residentMB(module.cell.pid) - warm).toBeLessThan(150)
  })

  test('is not reached by way of errors or stacks', async () => {
    const module = await lab.place(
      `const thrownBy = [
         () => null.x,
         () => { const over = () => over(); over() },
         () => new WebAssembly.Memory({ initial: 1e5 }),
         () => structuredClone(() => {}),
         () => Deno.readTextFileSync('/etc/passwd'),
       ]
       const own = [Error.prototype, DOMException.prototype]
       const rootOf = (value) => { const up = Object.getPrototypeOf(value); return up === Object.prototype || up === null ? value : rootOf(up) }`,
      `errors: () => thrownBy.map((work) => { try { work() } catch (error) { return own.includes(rootOf(error)) } }),
       sites() {
         Error.prepareStackTrace = (_, sites) => sites
         return new Error().stack.every((site) => Object.getPrototypeOf(site) !== null && [site.getThis(), site.getFunction()].every((value) => value === undefined || value instanceof Object))
       },`,
      GENEROUS,
    )
    for (const _ of [1, 2]) expect([await module.ask('errors'), await module.ask('sites')]).toEqual([Array(5).fill(true), true])
  })
})

describe('executions that are open at once', () => {
  const MEET = `const until = async (ctx, name) => { while (!(await ctx.kv.get([name])).value) await new Promise((done) => setTimeout(done, 1)) }`

  test('share the limit of WebAssembly memory, and have all of it again when the others have ended', { timeout: 60_000 }, async () => {
    const module = await lab.place(
      `${MEET}
       const memories = []
       const take = (megabytes) => { try { memories.push(new WebAssembly.Memory({ initial: megabytes * 16 })); return true } catch (error) { return error.code } }`,
      `async hold(megabytes, ctx) {
         const taken = take(megabytes)
         await ctx.kv.set(['held'], true)
         await until(ctx, 'tried')
         return taken
       },
       async others([most, more], ctx) {
         await until(ctx, 'held')
         const taken = [take(most), take(more)]
         await ctx.kv.set(['tried'], true)
         return taken
       },
       take,`,
      '{ maxMemoryMB: 32, maxCpuMs: 30000, maxExecutionMs: 60000 }',
    )
    expect(await Promise.all([module.ask('hold', 20), module.ask('others', [12, 1])])).toEqual([true, [true, 'MEMORY_LIMIT']])
    for (let round = 0; round < 20; round++) expect(await module.ask('take', 32)).toBe(true)
    expect(await module.ask('take', 33)).toBe('MEMORY_LIMIT')
  })

  test('do not mix what the cell works on for them', async () => {
    const module = await lab.place(
      MEET,
      `async digest({ byte, other }, ctx) {
         await ctx.kv.set([byte], true)
         await until(ctx, other)
         const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(5 << 20).fill(byte))
         return new Uint8Array(hash).toHex()
       },`,
      GENEROUS,
    )
    const hashOf = (byte: number) => createHash('sha256').update(Buffer.alloc(5 << 20, byte)).digest('hex')
    expect(await Promise.all([module.ask('digest', { byte: 1, other: 2 }), module.ask('digest', { byte: 2, other: 1 })])).toEqual([hashOf(1), hashOf(2)])
  })

  test('end together where one of them passes a limit of the isolate', async () => {
    const module = await lab.place(MEET, `wait: (_, ctx) => until(ctx, 'never'), loop() { for (;;); }`, '{ maxCpuMs: 300, maxExecutionMs: 30000 }')
    expect(await Promise.all([module.ask('wait'), module.ask('loop')])).toEqual(['CPU_LIMIT', 'CPU_LIMIT'])
  })
})

describe('loading for an execution', () => {
  let module: FreshModule
  beforeAll(async () => {
    module = await lab.place(
      `const mode = Deno.env.get('MODE')
       if (mode === 'throw') throw new RangeError('at the top')
       if (mode === 'loop') for (;;);
       if (mode === 'await') await new Promise(() => {})
       if (mode === 'exit') Deno.exit(0)
       if (mode === 'bare') globalThis.bare = true`,
      'mode: () => mode,',
      '{ maxCpuMs: 400, maxExecutionMs: 4000 }',
    )
  })

  test.each([
    ['throws', 'throw', 'MODULE_FAILED'],
    ['leaves', 'exit', 'LOAD_FAILED'],
    ['waits for ever', 'await', 'TIMEOUT'],
  ])('that %s ends that execution, and the next one is loaded anew', async (_what, mode, code) => {
    await module.mode(mode)
    expect(await module.ask('mode')).toBe(code)
    await module.mode('ok')
    expect(await module.ask('mode')).toBe('ok')
  })

  test('is told of in the words of the module', async () => {
    await module.mode('throw')
    const called = module.instance.call({ hook: 'product:before_ai' }, '{"hook":"product:before_ai"}', 5_000)
    await expect(called).rejects.toMatchObject({ code: 'MODULE_FAILED', message: 'RangeError: at the top', details: { stack: expect.stringContaining('index.ts:2') } })
    await module.mode('ok')
  })

  test('that loops is ended by the execution’s own limit of CPU', async () => {
    await module.mode('loop')
    expect(await module.ask('mode')).toBe('CPU_LIMIT')
    expect(await module.ask('mode')).toBe('UNAVAILABLE') // the isolate is gone, as after any loop
  })
})
