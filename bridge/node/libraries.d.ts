// Of libraries without types that fit an isolate: only what is used here.
declare module 'path-browserify' {
  const path: Record<string, unknown>
  export default path
}
declare module 'events' {
  export interface Emitter {
    on(event: unknown, listener: (...args: unknown[]) => void): Emitter
    off(event: unknown, listener: (...args: unknown[]) => void): Emitter
    listeners(event: unknown): unknown[]
    setMaxListeners(count: number): Emitter
    listenerCount(event: unknown): number
  }
  const EventEmitter: { new (): Emitter; once(emitter: object, event: unknown): Promise<unknown[]>; defaultMaxListeners: number } & Record<string | symbol, unknown>
  export default EventEmitter
}
declare module 'buffer' {
  export interface Bytes extends Uint8Array {
    toString(encoding?: string, start?: number, end?: number): string
    write(text: string, ...more: unknown[]): number
  }
  export const Buffer: {
    (...args: unknown[]): Bytes
    prototype: Bytes
    from(value: unknown, ...more: unknown[]): Bytes
    alloc(size: number, fill?: unknown, encoding?: string): Bytes
    isEncoding(encoding: unknown): boolean
    byteLength(value: unknown, encoding?: string): number
    isBuffer(value: unknown): value is Bytes
    concat(list: readonly Uint8Array[]): Bytes
    copyBytesFrom?(view: ArrayBufferView, offset?: number, length?: number): Bytes
  }
  export const kMaxLength: number
  export const INSPECT_MAX_BYTES: number
  export const SlowBuffer: unknown
}
declare module 'string_decoder' {
  export const StringDecoder: unknown
}
declare module 'readable-stream' {
  const stream: Record<string, unknown>
  export default stream
}
declare module '@pkgjs/parseargs' {
  export const parseArgs: (config?: object) => unknown
}
declare module 'node-inspect-extracted' {
  export const inspect: ((value: unknown, options?: object) => string) & { custom: symbol }
  export const format: (...args: unknown[]) => string
  export const formatWithOptions: (options: object, ...args: unknown[]) => string
  export const stripVTControlCharacters: (text: string) => string
}
