import { BulkheadError } from '../../bridge/errors.ts'
import { INSPECT, type ScriptFlags } from './script-flags.ts'

const PORT = 9229

/** How what is run is to be debugged. */
export interface InspectionWanted {
  port: number
  /** Whether it begins only once a debugger lets it. */
  waits: boolean
  /** Whether it pauses before its first statement. */
  breaks: boolean
}

/**
 * What `--inspect`, `--inspect-wait` or `--inspect-brk` asks for; undefined where none of them was given.
 *
 * @throws BAD_REQUEST for an address that is not of this machine alone
 * @example inspectionOf({ 'inspect-brk': '9230' }) // { port: 9230, waits: true, breaks: true }
 */
export function inspectionOf(flags: ScriptFlags['flags']): InspectionWanted | undefined {
  const [name, another] = INSPECT.filter((one) => flags[one] !== undefined)
  if (name === undefined) return undefined
  if (another !== undefined) throw new BulkheadError('BAD_REQUEST', `--${another} cannot be given beside --${name}`)
  return { port: portOf(name, flags[name]), waits: name !== 'inspect', breaks: name === 'inspect-brk' }
}

function portOf(name: string, given: string | boolean | undefined): number {
  if (typeof given !== 'string') return PORT
  const [, host = '127.0.0.1', port = ''] = /^(?:(.*):)?(\d{1,5})$/.exec(given) ?? []
  const isHere = host === '127.0.0.1' || host === 'localhost'
  if (isHere && port !== '' && Number(port) < 65_536) return Number(port)
  throw new BulkheadError('BAD_REQUEST', `--${name}=${given.slice(0, 100)} cannot be given, it takes a port, or 127.0.0.1: and a port: debuggers attach from this machine alone`)
}
