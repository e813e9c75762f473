import { Duplex, duplexPair } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { BulkheadError } from '../bridge/errors.ts'
import { connect, type Message } from './rpc.ts'

type Served = {
  echo(head: unknown, body: string): Promise<Message>
  fail(head: unknown, body: string): Promise<Message>
  never(head: unknown, body: string): Promise<Message>
}

const served: Served = {
  echo: async (head, body) => ({ head, body }),
  fail: async () => {
    throw new BulkheadError('BUSY', 'not now', { limit: 1 })
  },
  never: () => new Promise(() => {}),
}

function pair(maxFrameBytes = 1_000_000) {
  const [near, far] = duplexPair()
  const closed = vi.fn()
  connect(far, served, { maxFrameBytes, onClose: closed })
  return { near, closed, peer: connect<Served>(near, {}, { maxFrameBytes, onClose: () => {} }) }
}

/** A frame as the other end would write it, right or wrong. */
function frame(head: string, body = '', lengths: { all?: number; head?: number } = {}): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(head) + Buffer.byteLength(body))
  bytes.writeUInt32LE(lengths.all ?? bytes.length - 4, 0)
  bytes.writeUInt32LE(lengths.head ?? Buffer.byteLength(head), 4)
  bytes.write(head + body, 8)
  return bytes
}

/** What the serving end says of bytes that its peer wrote. */
async function violationOf(bytes: Buffer, maxFrameBytes = 10_000): Promise<string | undefined> {
  const [near, far] = duplexPair()
  const closed = vi.fn()
  connect(far, served, { maxFrameBytes, onClose: closed })
  near.resume().write(bytes)
  await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce(), { timeout: 30_000 })
  return closed.mock.calls[0]?.[0].violation
}

test('a call is answered with head and body, whatever the body holds', async () => {
  const { peer } = pair()
  const body = '{"ä":"\u0000\u2028💥"}'.repeat(1_000)
  expect(await peer.call('echo', { n: [1, null] }, body)).toEqual({ head: { n: [1, null] }, body })
})

test('many calls at once are answered each with its own', async () => {
  const { peer } = pair()
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => peer.call('echo', n, `body ${n}`)))
  expect(answers).toEqual(Array.from({ length: 500 }, (_, n) => ({ head: n, body: `body ${n}` })))
})

test('frames that arrive byte by byte are put together', async () => {
  const [near, far] = duplexPair()
  connect(far, served, { maxFrameBytes: 1_000, onClose: () => {} })
  const slow = new Duplex({
    read() {},
    async write(chunk: Buffer, _, done) {
      for (const byte of chunk) {
        near.write(Buffer.of(byte))
        await Promise.resolve()
      }
      done()
    },
  })
  near.on('data', (chunk) => slow.push(chunk))
  const peer = connect<Served>(slow, {}, { maxFrameBytes: 1_000, onClose: () => {} })
  expect(await peer.call('echo', 'h', 'body')).toEqual({ head: 'h', body: 'body' })
})

test('an error arrives with its code, message and details', async () => {
  const { peer } = pair()
  await expect(peer.call('fail', null)).rejects.toMatchObject({ code: 'BUSY', message: 'not now', details: { limit: 1 } })
})

test('what is pending is rejected when the channel closes, and later calls are refused', async () => {
  const { peer, near } = pair()
  const pending = peer.call('never', null)
  near.destroy()
  await expect(pending).rejects.toMatchObject({ code: 'CELL_LOST' })
  await expect(peer.call('echo', null)).rejects.toMatchObject({ code: 'CELL_LOST' })
})

test.each([
  ['a name that is not served', frame('{"id":1,"call":"exit"}'), /unknown call "exit"/],
  ['an inherited name', frame('{"id":1,"call":"constructor"}'), /unknown call "constructor"/],
  ['an answer to a call never made', frame('{"id":7,"head":null}'), /never made/],
  ['a head that is no JSON', frame('{"id":1,'), /malformed head/],
  ['a head that is no object', frame('[1]'), /malformed head/],
  ['a call that is no string', frame('{"id":1,"call":{}}'), /malformed head/],
  ['a head longer than its frame', frame('{}', '', { head: 9_000 }), /malformed frame/],
  ['a frame over the cap', frame('{"id":1,"call":"echo"}', 'x'.repeat(10_000)), /at most 10000/],
  ['a length that lies', frame('{}', '', { all: 0xffffffff }), /at most 10000/],
])('%s closes the channel as a violation', async (_, bytes, what) => {
  expect(await violationOf(bytes)).toMatch(what)
})

test('a frame of exactly the cap is read', async () => {
  const head = '{"id":1,"call":"echo"}'
  const [near, far] = duplexPair()
  const closed = vi.fn()
  connect(far, served, { maxFrameBytes: 10_000, onClose: closed })
  const answered = new Promise<Buffer>((resolve) => near.once('data', resolve))
  near.write(frame(head, 'x'.repeat(10_000 - 8 - head.length)))
  expect((await answered).length).toBeGreaterThan(0)
  expect(closed).not.toHaveBeenCalled()
})
