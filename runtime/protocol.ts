import type { ErrorText } from '../bridge/errors.ts'
import type { GuestSettings } from '../bridge/contract.ts'
import type { Message } from './rpc.ts'

/**
 * The wire between the host and a cell. The host trusts nothing that arrives on it: a cell may only speak of modules
 * placed in it and executions open in it, and every head is checked where it is read.
 */
export type CellCalls = {
  /** Body: the script of the bridge, from which the cell makes its snapshot. */
  boot(head: CellSettings, bridge: string): Promise<Message<null>>
  /** Body: the artifact's code. Resolves once top level and `onLoad` have run, with the module's Handlers as JSON. */
  load(head: LoadOrder, code: string): Promise<Message<Usage>>
  /** Body: the hook's context, or an Invocation; answered by the result as JSON, which nobody has parsed yet. */
  call(head: CallOrder, context: string): Promise<Message<Usage>>
  /** Body: Partial<GuestSettings>, for contexts that are made from now on; of a module whose contexts are fresh. */
  take(head: { module: string }, settings: string): Promise<Message<null>>
  /** Disposes the isolate, whatever runs in it. */
  unload(head: { module: string }): Promise<Message<null>>
  ping(head: null): Promise<Message<null>>
  /** Answered by what was counted since the module was loaded, as coverage/counts.ts reads it. */
  coverage(head: { module: string }): Promise<Message<null>>
  /** Body: what a debugger says, a message of the Chrome DevTools protocol. `run` lets a module begin that waits for it. */
  debug(head: { module: string; run?: boolean }, message: string): Promise<Message<null>>
}

export type HostCalls = {
  /** Body: the arguments as JSON; answered by the capability's result. */
  ask(head: AskOrder, args: string): Promise<Message<null>>
  /** The isolate of a module is gone: its budget was exhausted, or V8 lost it. */
  lost(head: LostReport): Promise<Message<null>>
  /** A thread of the cell is lost to V8: no new work should go there, and it should end soon. */
  doomed(head: { why: string; module?: string }): Promise<Message<null>>
  /** Body: what V8 says to the debugger of a module. */
  debugged(head: { module: string }, message: string): Promise<Message<null>>
}

export interface CellSettings {
  /** Guest threads that may run at one time. */
  threads: number
  /** What V8's inspector is opened for: to count what runs, or for a debugger, for which the module may wait. */
  inspect?: 'coverage' | 'debugger' | 'waiting'
}

export interface Budget {
  memoryMB: number
  cpuMs: number
  wallMs: number
}

export interface LoadOrder {
  /** Key of the instance; every version that is loaded has one of its own. */
  module: string
  /** The module's name, as stack traces show it. */
  name: string
  execution: string
  budget: Budget
  settings: GuestSettings
  /** So many characters at the end of the body are JSON: settings that may be too long for a head. */
  moreLength?: number
}

export interface CallOrder {
  /** `background` ends when its wall time is over, as a success. */
  kind: 'call' | 'invoke' | 'background'
  module: string
  execution: string
  budget: Budget
}

export interface AskOrder {
  module: string
  execution: string
  capability: string
}

export interface LostReport {
  module: string
  error: ErrorText
}

/** What an execution used. */
export interface Usage {
  wallMs: number
  cpuMs: number
  /** Capability calls, emits and log lines among them. */
  calls: number
}

export const FRAME_BYTES = {
  /** Largest frame a cell reads: an artifact, or a hook's context. */
  toCell: 16 * 1024 * 1024,
  /** Largest frame the host reads: a verdict, or the arguments of a capability, a character of which takes up to 3 bytes. */
  toHost: 4 * 1024 * 1024,
  /** The same of a cell with an inspector, which tells scripts whole. */
  inspected: 64 * 1024 * 1024,
} as const
