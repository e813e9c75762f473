/** The globals that these modules are made of, looked up when they are used, as the module may have changed them. */
interface Globals {
  setTimeout(callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown
  clearTimeout(id: unknown): void
  setInterval(callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]): unknown
  clearInterval(id: unknown): void
  queueMicrotask(callback: () => void): void
  console: Record<'log' | 'warn' | 'error' | 'info' | 'debug', (...args: unknown[]) => void>
  performance: { now(): number; timeOrigin: number }
  crypto: { getRandomValues<Bytes extends ArrayBufferView>(bytes: Bytes): Bytes; randomUUID(): string; subtle: unknown }
  TextEncoder: new () => { encode(text: string): Uint8Array<ArrayBuffer> }
  TextDecoder: new (label?: string, options?: { fatal?: boolean }) => { decode(bytes?: ArrayBufferView | ArrayBuffer): string }
  AbortSignal: unknown
  Deno?: {
    args?: readonly string[]
    env?: { toObject(): Record<string, string>; set(name: string, value: string): void; delete(name: string): void }
    exit?(code?: number): never
    cwd?(): string
    stdout?: { writeSync(bytes: Uint8Array): number }
    stderr?: { writeSync(bytes: Uint8Array): number }
  }
  [name: string]: unknown
}

export const globals = globalThis as unknown as Globals

/** An error as Node makes it: with a code that is a part of its stack. */
export function nodeError<Kind extends ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor>(Kind: Kind, code: string, message: string): Error & { code: string } {
  const error = Object.assign(new Kind(message), { code })
  Object.defineProperty(error, 'name', { value: `${Kind.name}`, writable: true, configurable: true })
  return error
}
