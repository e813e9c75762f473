/**
 * The chunks: parts of the globals that an isolate evaluates when a module first touches one of them. Each is one file,
 * named by its path below `bridge/` without `.guest.ts`, and the globals that are among its exports. A chunk without
 * globals is there for other chunks. How to write one: see globals.guest.ts.
 */
export const CHUNKS = {
  'web/url': ['URL', 'URLSearchParams'],
  'web/idna': [],
  'web/streams': [
    'ByteLengthQueuingStrategy', 'CountQueuingStrategy', 'ReadableByteStreamController', 'ReadableStream',
    'ReadableStreamBYOBReader', 'ReadableStreamBYOBRequest', 'ReadableStreamDefaultController',
    'ReadableStreamDefaultReader', 'TransformStream', 'TransformStreamDefaultController', 'WritableStream',
    'WritableStreamDefaultController', 'WritableStreamDefaultWriter',
  ],
  'web/encoding': ['TextDecoder', 'TextEncoder'],
  'web/legacy-encodings': [],
  'web/encoding-streams': ['TextDecoderStream', 'TextEncoderStream'],
  'web/base64-text': ['atob', 'btoa'],
  'web/url-pattern': ['URLPattern'],
  'web/structured-clone': ['structuredClone'],
  'web/inspect': [],
  'web/console-format': [],
  'web/messaging': ['BroadcastChannel', 'MessageChannel', 'MessagePort'],
  'web/navigator': ['Navigator', 'navigator'],
  'web/performance': [
    'Performance', 'PerformanceEntry', 'PerformanceMark', 'PerformanceMeasure', 'PerformanceObserver',
    'PerformanceObserverEntryList', 'performance',
  ],
  'web/blob': ['Blob', 'File'],
  'web/headers': ['Headers'],
  'web/form-data': ['FormData'],
  'web/body': [],
  'web/request': ['Request'],
  'web/response': ['Response'],
  'web/media-type': [],
  'web/object-url': [],
  'web/net-id': [],
  'web/fetch': ['fetch'],
  'web/native-base64': [],
  'web/cell-ask': [],
  'web/crypto': ['Crypto', 'CryptoKey', 'SubtleCrypto', 'crypto'],
  'web/websocket': ['WebSocket'],
  'web/event-source': ['EventSource'],
  'web/file-reader': ['FileReader'],
  'web/compression': ['CompressionStream', 'DecompressionStream'],
  'deno/namespace': ['Deno'],
  'deno/serve': [],
  'deno/net': [],
  'deno/upgrade': [],
} as const satisfies Record<string, readonly string[]>

export type ChunkName = keyof typeof CHUNKS

/**
 * Chunks that are evaluated already in the snapshot for modules whose code names one of their globals. What they need
 * at once is here before them. None may ask, while it is evaluated, for what is missing while a snapshot is made:
 * settings, Temporal, WebAssembly, SharedArrayBuffer, the Base64 methods of Uint8Array.
 */
export const PRELOADED = [
  'web/url', 'web/encoding', 'web/inspect', 'web/console-format', 'web/structured-clone', 'web/streams', 'web/media-type',
  'web/object-url', 'web/blob', 'web/headers', 'web/form-data', 'web/body', 'web/request', 'web/response',
] as const satisfies readonly ChunkName[]

/**
 * Files of the snapshot's script that chunks import: they get the snapshot's own copy, with its state and with what it
 * captured before any module ran. The list of the same names in globals.guest.ts is checked against this one.
 */
export const SHARED = [
  'base64', 'deno/errors', 'deno/registry', 'errors', 'kv', 'primordials',
  'web/abort', 'web/clock', 'web/dom-exception', 'web/event', 'web/event-target', 'web/events',
  'web/globals', 'web/host', 'web/interface', 'web/random', 'web/report', 'web/task', 'web/utf8',
] as const
