import type { Written } from './scratch.ts'

type Misbehaviour = Omit<Written, 'name' | 'hook'>

/** One of each kind, with limits that it soon meets. The fixtures have them in all their variety, and their expected ends. */
export const MISBEHAVIOURS: Record<string, Misbehaviour> = {
  loops: { handler: 'for (;;);' },
  'loops-after-await': { handler: 'await null; for (;;);' },
  'loops-in-microtasks': { handler: 'for (;;) await null' },
  'loops-in-its-verdict': { handler: 'return { get action() { for (;;); } }' },
  'loops-uninterruptibly': { handler: 'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)' },
  'never-answers': { handler: 'await new Promise(() => {})' },
  'hoards-objects': { handler: 'const all = []; for (;;) all.push({ n: all.length })' },
  'hoards-buffers': { handler: 'const all = []; for (;;) all.push(new Uint8Array(2 ** 22).fill(1))' },
  'leaks-slowly': { top: 'const kept = []', handler: 'kept.push(new Array(50_000).fill(0).map((_, n) => ({ n })))' },
  'answers-hugely': { handler: `return { action: 'continue', modifications: { response: 'x'.repeat(2 ** 22) } }` },
  'floods-emits': { handler: `for (let n = 0; n < 10_000; n++) ctx.emit('flood', { n }).catch(() => {})` },
  'floods-logs': { handler: `for (let n = 0; n < 10_000; n++) ctx.log.info('x'.repeat(1000))` },
  'floods-rejections': { handler: 'for (let n = 0; n < 10_000; n++) Promise.reject(new Error(String(n)))' },
  'throws-a-trap': { handler: 'throw new Proxy({}, { get() { for (;;); } })' },
  'rewrites-builtins': { top: 'JSON.stringify = JSON.parse = () => { for (;;); }; Object.defineProperty(Object.prototype, "then", { get() { throw 1 } })', handler: 'return {}' },
}

export const MISBEHAVIOUR_LIMITS = { maxMemoryMB: 32, maxCpuMs: 100, maxExecutionMs: 500 }
