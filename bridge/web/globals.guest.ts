/**
 * The globals of an isolate that are not in its snapshot. A module that never touches `URL` does not pay for it: the
 * name stands on `globalThis` as an accessor, and its chunk is evaluated when somebody first reads it.
 *
 * To add a global: write `bridge/web/NAME.guest.ts` (or `bridge/deno/NAME.guest.ts`) that exports it under its own
 * name, and add the line `'web/NAME': ['Global', 'Other']` to CHUNKS in chunks.ts. Nothing else: `runtime/programs.ts`
 * bundles the file with what it imports, the accessor is made from the table. Interfaces become non-enumerable, names
 * that begin in lower case enumerable, as WebIDL has them. A chunk without globals is one that other chunks share.
 *
 * What a chunk imports:
 * - another chunk's file: that chunk is evaluated first, and both see one copy of it. Files under `bridge/` that are
 *   neither chunks nor SHARED may be in one chunk only; the build refuses the second.
 * - what is rarely needed: `lazily('web/idna')` of this file, called when it is needed.
 * - a file of SHARED: the snapshot's copy, with what it captured before any module code.
 * - packages are bundled into each chunk that imports them.
 *
 * How a chunk asks the host: `await hostAsk('capability', stringify(args))` of host.guest.ts, in the name of the
 * execution that runs; the capability is a `bridge/NAME.host.ts` as any other. Random bytes: `fillRandom(bytes)` of
 * random.guest.ts, synchronously and without the host. The time: `now()` of clock.guest.ts.
 *
 * A chunk holds no authority. It is evaluated in a realm that the module may have tampered with by then, so whatever it
 * can reach the module may reach: `hostAsk` gives it no more than the module's own powers, counted and checked by cell
 * and host. What settles executions (`post`, `deliver`) is in no shared file and must never be.
 *
 * How the text gets here: the cell passes all of it to `start` as a string whose characters all isolates of the cell
 * share, so that an isolate which touches nothing holds none of it (measured: see tests/bench/web.ts).
 * A module whose code names a global of PRELOADED starts from a second snapshot, in which those chunks are evaluated:
 * half a millisecond and a megabyte more than the lean one, several milliseconds less than the first touch.
 */
import * as base64 from '../base64.guest.ts'
import * as denoErrors from '../deno/errors.guest.ts'
import * as denoRegistry from '../deno/registry.guest.ts'
import * as errors from '../errors.guest.ts'
import * as kv from '../kv.guest.ts'
import * as primordials from '../primordials.guest.ts'
import * as abort from './abort.guest.ts'
import type { ChunkIndex } from '../contract.ts'
import { CHUNKS, type ChunkName, type SHARED } from './chunks.ts'
import * as clock from './clock.guest.ts'
import * as domException from './dom-exception.guest.ts'
import * as event from './event.guest.ts'
import * as eventTarget from './event-target.guest.ts'
import * as events from './events.guest.ts'
import * as host from './host.guest.ts'
import * as webInterface from './interface.guest.ts'
import * as random from './random.guest.ts'
import * as report from './report.guest.ts'
import * as task from './task.guest.ts'
import * as utf8 from './utf8.guest.ts'

const { codeAt, defineProperty, ErrorOf, evaluate, keys, slice, table } = primordials

type Exports = Record<string, unknown>
type Chunk = (require: (name: string) => Exports, module: { exports: Exports }) => void

const shared: Record<(typeof SHARED)[number], Exports> = {
  primordials,
  errors,
  kv,
  'deno/errors': denoErrors,
  'deno/registry': denoRegistry,
  base64,
  'web/abort': abort,
  'web/clock': clock,
  'web/dom-exception': domException,
  'web/event': event,
  'web/event-target': eventTarget,
  'web/events': events,
  'web/globals': { lazily },
  'web/host': host,
  'web/interface': webInterface,
  'web/random': random,
  'web/report': report,
  'web/task': task,
  'web/utf8': utf8,
}
const texts = table<string, string>()
const loaded = table<string, Exports>()

/** Takes the chunks' texts, which follow each other in one. */
export function takeChunks(index: ChunkIndex, all: string): void {
  let at = 0
  for (let i = 0; i < index.length; i++) {
    const { name, length } = index[i] as ChunkIndex[number]
    texts.set(name, slice(all, at, (at += length)))
  }
}

/** Evaluates chunks while a snapshot is made. */
export function preloadChunks(flat: readonly string[]): void {
  for (let i = 0; i < flat.length; i += 2) texts.set(flat[i] as string, flat[i + 1] as string)
  for (let i = 0; i < flat.length; i += 2) load(flat[i] as string)
}

/** The exports of a chunk, which is evaluated now if it has not been. */
export function lazily(name: ChunkName): Exports {
  return load(name)
}

function load(name: string): Exports {
  const known = loaded.get(name)
  if (known) return known
  const chunk = evaluate(texts.get(name) ?? '') as Chunk | undefined
  if (!chunk) throw new ErrorOf(`cannot load ${name}, there is no such chunk`)
  const module = { exports: {} as Exports }
  chunk((needed) => (shared as Record<string, Exports>)[needed] ?? load(needed), module)
  loaded.set(name, module.exports)
  return module.exports
}

/** Puts an accessor for each global of each chunk on `globalThis`; called while the snapshot is made. */
export function installLazyGlobals(): void {
  for (const chunk of keys(CHUNKS) as ChunkName[]) {
    for (const name of CHUNKS[chunk] as readonly string[]) installLazy(name, chunk)
  }
}

function installLazy(name: string, chunk: ChunkName): void {
  const accessor = {
    get [name](): unknown {
      const value = load(chunk)[name]
      replace(name, value)
      return value
    },
    set [name](value: unknown) {
      replace(name, value)
    },
  }
  const { get, set } = Object.getOwnPropertyDescriptor(accessor, name) as PropertyDescriptor
  defineProperty(globalThis, name, { __proto__: null, get, set, configurable: true, enumerable: isEnumerable(name) } as PropertyDescriptor)
}

function replace(name: string, value: unknown): void {
  // Where the module has frozen its globals the accessor stays, and answers the same each time.
  primordials.tryDefineProperty(globalThis, name, { __proto__: null, value, writable: true, configurable: true, enumerable: isEnumerable(name) } as PropertyDescriptor)
}

/** Web IDL: operations and attributes of the global are enumerable, interfaces are not. */
function isEnumerable(name: string): boolean {
  return name === 'Deno' || codeAt(name, 0) >= 0x61
}
