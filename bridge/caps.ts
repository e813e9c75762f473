import type { ExecutionCaps } from './contract.ts'

/** What one execution may send, the same for every module; sizes in characters of JSON. */
export const EXECUTION_CAPS: Readonly<ExecutionCaps> = {
  calls: 1_000,
  pending: 128,
  emits: 100,
  chunks: 16_384,
  askBytes: 64 * 1024,
  largeAskBytes: 1_280 * 1024,
  logLines: 200,
  logBytes: 64 * 1024,
  resultBytes: 1024 * 1024,
  timers: 1_000,
}

/** The capabilities that carry pieces of bodies. Each waits for its answer, so that they come no faster than they are taken. */
export const CHUNK_CAPABILITIES: readonly string[] = ['cell.crypto', 'cell.stage', 'cell.zip', 'conn.read', 'conn.write', 'fetch.read', 'fetch.write', 'http.read', 'http.write', 'socket.read', 'socket.send', 'websocket.send']

/** A bare script has no neighbours to flood: its console is its output. */
export const SCRIPT_CAPS: Readonly<ExecutionCaps> = { ...EXECUTION_CAPS, logLines: 100_000, logBytes: 16 * 1024 * 1024 }
