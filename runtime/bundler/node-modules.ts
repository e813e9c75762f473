/**
 * Node's modules as far as they are made of JavaScript alone: each is a file of `bridge/node/`, or of a library. What
 * is missing here needs a disk, a network, processes or an engine of its own, and no module can have it.
 */
export const NODE_MODULES: Readonly<Record<string, string>> = {
  assert: './assert.guest.ts',
  'assert/strict': './assert-strict.guest.ts',
  async_hooks: './async-hooks.guest.ts',
  buffer: './buffer.guest.ts',
  console: './console.guest.ts',
  constants: './constants.guest.ts',
  crypto: './crypto.guest.ts',
  diagnostics_channel: 'unenv/node/diagnostics_channel',
  events: './events.guest.ts',
  module: './module.guest.ts',
  os: './os.guest.ts',
  path: './path.guest.ts',
  'path/posix': './path.guest.ts',
  perf_hooks: './perf-hooks.guest.ts',
  process: './process.guest.ts',
  punycode: 'unenv/node/punycode',
  querystring: 'unenv/node/querystring',
  stream: './stream.guest.ts',
  'stream/consumers': './stream-consumers.guest.ts',
  'stream/promises': './stream-promises.guest.ts',
  'stream/web': './stream-web.guest.ts',
  string_decoder: './string-decoder.guest.ts',
  sys: './util.guest.ts',
  timers: './timers.guest.ts',
  'timers/promises': './timers-promises.guest.ts',
  tty: './tty.guest.ts',
  url: './url.guest.ts',
  util: './util.guest.ts',
  'util/types': './util-types.guest.ts',
}

const NO_DISK = 'a module has no disk; Deno.readTextFile reads the files of its own folder'
const NO_SOCKETS = 'a module has no sockets; use fetch with the permission "net"'
const NO_PROCESSES = 'a module starts no processes or threads'
const ENGINE = 'it is a part of Node itself'

/** Why each of the others cannot be. */
const ABSENT: Readonly<Record<string, string>> = {
  fs: NO_DISK, 'fs/promises': NO_DISK,
  net: NO_SOCKETS, tls: NO_SOCKETS, dgram: NO_SOCKETS, dns: NO_SOCKETS, 'dns/promises': NO_SOCKETS,
  http: NO_SOCKETS, https: NO_SOCKETS, http2: NO_SOCKETS,
  child_process: NO_PROCESSES, cluster: NO_PROCESSES, worker_threads: NO_PROCESSES,
  readline: 'a module has no terminal', 'readline/promises': 'a module has no terminal', repl: 'a module has no terminal',
  zlib: 'use CompressionStream and DecompressionStream',
  sqlite: 'use the permission "db" or "kv"', test: 'use Deno.test', 'test/reporters': 'use Deno.test',
  vm: ENGINE, v8: ENGINE, wasi: ENGINE, inspector: ENGINE, 'inspector/promises': ENGINE, trace_events: ENGINE, domain: ENGINE, sea: ENGINE,
}

/** The name of a module of Node that a specifier means. @example nodeModule('node:fs') // 'fs' */
export function nodeModule(specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return specifier.slice('node:'.length)
  return Object.hasOwn(NODE_MODULES, specifier) || (Object.hasOwn(ABSENT, specifier) && !ONLY_WITH_PREFIX.has(specifier)) ? specifier : undefined
}

const ONLY_WITH_PREFIX = new Set(['test', 'test/reporters', 'sqlite', 'sea'])

export function whyAbsent(name: string): string {
  return ABSENT[name] ?? 'Node has no such module'
}
