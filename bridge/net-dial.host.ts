import { connect, type Socket } from 'node:net'
import { only } from './net-http.host.ts'
import { type AgentsOptions, openTunnel } from './net-tunnel.host.ts'

export interface Destination {
  /** A name, or an address without brackets. */
  host: string
  port: number
  /** Addresses that were found to be allowed; it connects to these and no other. */
  addresses: readonly string[]
  signal: AbortSignal
}

/** Opens a connection of TCP, and tells the address that it leads to. @throws what the system says */
export type Dial = (to: Destination) => Promise<{ socket: Socket; address: string }>

/** Read ahead of who reads, so that a piece that goes over is a large one. */
const AHEAD_BYTES = 256 * 1024

/** Connects by itself, or by a tunnel of the proxy's where there is one. */
export function openDial({ proxy }: AgentsOptions): Dial {
  if (proxy === undefined) return dialDirectly
  const tunnel = openTunnel(new URL(proxy))
  return ({ host, port, addresses, signal }) =>
    new Promise((done, fail) => {
      tunnel({ host, port, lookup: only(addresses) }, (error, socket) => {
        if (!socket) return fail(error ?? new Error('no connection'))
        if (!signal.aborted) return done({ socket, address: addresses[0] ?? '' })
        socket.destroy()
        fail(signal.reason as Error)
      })
    })
}

function dialDirectly({ host, port, addresses, signal }: Destination): ReturnType<Dial> {
  return new Promise((done, fail) => {
    const options = { host, port, lookup: only(addresses), allowHalfOpen: true, noDelay: true, highWaterMark: AHEAD_BYTES, signal }
    const socket = connect(options)
    socket.once('connect', () => {
      socket.off('error', fail)
      done({ socket, address: socket.remoteAddress ?? '' })
    })
    socket.once('error', fail)
    socket.on('error', () => {}) // whoever reads or writes is told
  })
}
