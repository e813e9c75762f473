import { isIP, connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import type { Sql } from 'postgres'
import { CAN_SSL, sslRequest } from './wire.ts'

/** Where the platform's database is, as its own driver understood the url. */
export type Place = Pick<Sql['options'], 'host' | 'port' | 'path' | 'database' | 'ssl'>

/**
 * A socket to the server, encrypted where the platform's own connections are.
 *
 * @param signal gives up on connecting; a socket that is connected it does not concern
 * @throws what connecting throws, of the last of several hosts
 */
export async function openSocket({ host, port, path, ssl }: Place, signal: AbortSignal): Promise<Socket> {
  if (path) return dial({ path }, signal, (socket) => socket)
  let failure: unknown
  for (const [at, name] of host.entries()) {
    try {
      return await dial({ host: name, port: port[at] ?? 5432 }, signal, (socket) => (ssl ? encrypt(socket, name, ssl) : socket))
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function dial(
  where: { path: string } | { host: string; port: number },
  signal: AbortSignal,
  greet: (socket: Socket) => Socket | Promise<Socket>,
): Promise<Socket> {
  signal.throwIfAborted()
  const socket = connectTcp(where)
  socket.on('error', () => {})
  const giveUp = () => socket.destroy(new Error('no answer in time'))
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    await settled(socket, 'connect')
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    return await greet(socket)
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

async function encrypt(socket: Socket, host: string, ssl: NonNullable<Place['ssl']>): Promise<Socket> {
  socket.write(sslRequest())
  const [answer] = (await settled(socket, 'data')) as [Buffer]
  // More than the one byte could only come from somebody in between, before anything is encrypted.
  if (answer[0] !== CAN_SSL || answer.length > 1) {
    if (ssl === 'prefer' && answer.length === 1) return socket
    socket.destroy()
    throw new Error('the server does not encrypt')
  }
  const strict = ssl === 'verify-full' || typeof ssl === 'object'
  const options: ConnectionOptions = { rejectUnauthorized: strict, ...(isIP(host) === 0 && { servername: host }), ...(typeof ssl === 'object' && ssl) }
  const secure = connectTls({ ...options, socket })
  secure.on('error', () => {})
  await settled(secure, 'secureConnect')
  return secure
}

function settled(socket: Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    const fail = (error?: unknown) => reject(error instanceof Error ? error : new Error('the server closed the connection'))
    socket.once(event, (...args) => {
      socket.off('error', fail)
      socket.off('close', fail)
      resolve(args)
    })
    socket.once('error', fail)
    socket.once('close', fail)
  })
}
