import { connect, type Socket } from 'node:net'

export interface Answers {
  /** Of each request, ms. */
  times: number[]
  perSecond: number
  bytes: number
}

/**
 * Sends a request again and again over connections that stay open, each waiting for its answer before the next, and
 * reads as little of the answers as it can, so that what is measured is the server.
 *
 * @throws where an answer is not of the status 200
 */
export async function sendAll(address: string, request: Buffer, { connections, seconds }: { connections: number; seconds: number }): Promise<Answers> {
  const { hostname, port } = new URL(address)
  const times: number[] = []
  const until = performance.now() + seconds * 1000
  const sizes = await Promise.all(Array.from({ length: connections }, () => keepSending(connect(Number(port), hostname), request, until, times)))
  return { times, perSecond: times.length / seconds, bytes: sizes[0] ?? 0 }
}

export function requestText(method: string, path: string, { key, body = '' }: { key?: string; body?: string }): Buffer {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    ...(key === undefined ? [] : [`authorization: Bearer ${key}`]),
    ...(body === '' ? [] : ['content-type: application/json', `content-length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

function keepSending(socket: Socket, request: Buffer, until: number, times: number[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let started = performance.now()
  let missing = -1 // bytes of the body; -1 while the head is not here
  let head: Buffer = Buffer.alloc(0)
  let size = 0
  socket.setNoDelay(true)
  socket.on('error', reject)
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk
    if (missing === -1) {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) return
      const text = head.toString('latin1', 0, end)
      const length = /^content-length: (\d+)/im.exec(text)?.[1]
      if (!text.startsWith('HTTP/1.1 200') || length === undefined) return reject(new Error(`not what was expected: ${head.toString('latin1', 0, 500)}`))
      size = missing = Number(length)
      rest = head.subarray(end + 4)
      head = Buffer.alloc(0)
    }
    missing -= rest.length
    if (missing > 0) return
    missing = -1
    times.push(performance.now() - started)
    if (performance.now() > until) {
      socket.destroy()
      return resolve(size)
    }
    started = performance.now()
    socket.write(request)
  })
  socket.write(request)
  return promise
}
