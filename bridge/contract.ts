/**
 * The wire between an isolate and its cell. Every argument is a string or a small integer; nothing else crosses.
 * Both ends are ours, but the guest's end shares its heap with hostile code: the cell believes nothing it is told.
 */

/** Into a context: `kind`, the execution's or timer's id, and text. Any number of deliveries enter at once. */
export type DeliveryKind =
  | 'load' // id: execution
  | 'call' // id: execution, text: the hook's context
  | 'background' // id: execution that outlives others, for what a daemon or service does by itself
  | 'invoke' // id: execution, text: an Invocation
  | 'answer' // id: ask, text: what the capability returned
  | 'refusal' // id: ask, text: an ErrorText
  | 'timer' // id: timer
  | 'rejection' // id: execution, text: a GuestError, of a rejection that nobody has handled
  | 'elsewhere' // text: what other contexts of the isolate hold of WebAssembly, as JSON: WasmElsewhere

/** Out of the isolate. */
export type PostKind =
  | 'done' // of one or more: ids, and in name the lengths, with spaces between; text: the results as JSON, one after the other
  | 'failed' // text: a GuestError
  | 'ask' // ask: id for the answer, name: capability, text: its arguments as JSON
  | 'tell' // like ask, without an answer
  | 'timer' // ask: timer, name: milliseconds
  | 'untimer' // ask: timer
  | 'wasm' // ask: MB, name: memories that this context holds, text: `collected` where V8 has collected those of ended ones; fresh contexts only

export type Post = (kind: PostKind, execution: string, ask: number, name: string, text: string) => void

/** MB and memories of contexts that are open, and of ended ones that may not have been collected yet. */
export type WasmElsewhere = [openMB: number, openMemories: number, endedMB: number, endedMemories: number]

/** Name and characters of each chunk. */
export type ChunkIndex = ReadonlyArray<{ name: string; length: number }>

/** The two entries that the snapshot leaves for the cell. */
export interface GuestEntries {
  /**
   * Makes a context ready, before anything is delivered to it; nothing of the module's runs. `run`: the bundle; `seed`:
   * 64 hexadecimal digits of randomness; `chunks`: their texts one after the other, and `index` of what length as JSON.
   */
  start(run: unknown, post: Post, settings: string, seed: string, index: string, chunks: string): void
  deliver(...flat: string[]): void
  /** While a snapshot is made: evaluates chunks, name and text of each in turn. */
  preload(...chunks: string[]): void
}

export interface GuestSettings {
  /** Hooks the manifest names; each needs a handler. */
  hooks: string[]
  /** A bare script ends when no timer waits any more, as it would under `deno run`. */
  script: boolean
  /** Each execution has a context of its own, in which the module is loaded for it. */
  fresh: boolean
  /** That of the module; a call may come with one of its own. */
  config: unknown
  /** What it asks for and was granted. */
  permissions: string[]
  /** The operator's values that it was granted, by name. */
  env: Record<string, string>
  caps: ExecutionCaps
  /** Megabytes that WebAssembly may take, as the heap may. */
  memoryMB: number
  /** How it is run, as far as `Deno` tells of it. */
  deno?: DenoSettings
}

export interface DenoSettings {
  args: string[]
  /** The folder that relative paths begin in, as the module sees it. */
  home: string
  mainModule: string
  /** Whether the module's own folder may be read. */
  read: boolean
  /** Whether names that were not granted read as not set, as where all are. */
  allEnv: boolean
  /** The files of the folder by their path in it, as JSON; nothing where the code names no `Deno`. */
  files?: string
}

/** A function of the module that the host calls, hooks not among them; what it returns leaves as JSON. */
export interface Invocation {
  target: 'lifecycle' | 'service' | 'job' | 'message' | 'terms' | 'cron' | 'fetch' | 'socket'
  /** Name of the function; for a message its topic. A socket's arguments are its number and what came of it, none where all are closed. */
  name: string
  args: unknown[]
}

/** What a loaded module can do, as the bridge found it. */
export interface Handlers {
  hooks: string[]
  lifecycle: string[]
  service: string[]
  jobs: string[]
  messages: boolean
  /** Whether it answers requests. */
  fetch: boolean
  /** Where `Deno.serve` was asked to listen, and whether the module's own `onListen` was told. */
  listen?: { port: number; hostname: string; told: boolean }
  /** Jobs of `Deno.cron`. */
  crons: Array<{ name: string; schedule: string }>
  /** What a script ended with by `Deno.exit` or `Deno.exitCode`. */
  exit: number
}

/** What one execution may send; counted in the isolate, so that floods end there, and again in the cell. */
export interface ExecutionCaps {
  /** Capability calls, records and log lines not among them. */
  calls: number
  /** Capability calls and emits that wait for their answer at one time. */
  pending: number
  emits: number
  /** Pieces of bodies that are read and written, which are no calls. */
  chunks: number
  /** Bytes of one argument text, and of one record. */
  askBytes: number
  /** The same for the capabilities that take more, each of which has a cap of its own below it. */
  largeAskBytes: number
  logLines: number
  logBytes: number
  resultBytes: number
  timers: number
}

/** An error as the guest saw it: text only, bounded, made inside the isolate. */
export interface GuestError {
  /** Set where the bridge itself threw it; module code cannot forge it. */
  code?: string
  /** The limit that was reached, where the code is one of a limit. */
  details?: unknown
  name: string
  message: string
  stack: string
}
