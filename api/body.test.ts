import { describe, expect, it } from 'vitest'
import { MAX_BODY_BYTES, readBody } from './body.ts'

const post = (body: string | Uint8Array<ArrayBuffer> | ReadableStream | null, headers: Record<string, string> = {}) =>
  new Request('http://localhost/', {
    method: 'POST',
    ...(body !== null && { body }),
    headers: { 'content-type': 'application/json', ...headers },
    ...({ duplex: 'half' } as object),
  })

const jsonOf = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2))

/** A body in pieces, without a declared length, that tells how much of it was taken. */
function streamed(bytes: number, piece = 64 * 1024): { body: ReadableStream; taken(): number } {
  let taken = 0
  const body = new ReadableStream({
    pull(controller) {
      const next = Math.min(piece, bytes - taken)
      if (next === 0) return controller.close()
      controller.enqueue(new TextEncoder().encode(' '.repeat(next - 1) + (taken + next === bytes ? '1' : ' ')))
      taken += next
    },
  })
  return { body, taken: () => taken }
}

describe('reading a body', () => {
  it('gives the value of its JSON, in any way JSON may be called', async () => {
    expect(await readBody(post('{"a":1}'))).toEqual({ a: 1 })
    const utf8 = { 'content-type': 'application/json; charset=UTF-8' }
    expect(await readBody(post('\ufeff{"a":"é"}', utf8))).toEqual({ a: 'é' })
    expect(await readBody(post('1', { 'content-type': 'application/merge-patch+json' }))).toBe(1)
  })

  it('gives nothing for none, whatever it is called', async () => {
    expect(await readBody(post(null))).toBeUndefined()
    expect(await readBody(post('', { 'content-type': 'application/x-www-form-urlencoded' }))).toBeUndefined()
    expect(await readBody(new Request('http://localhost/'))).toBeUndefined()
  })

  it('takes the largest allowed and refuses one byte more, counted and declared', async () => {
    const length = (bytes: number) => ({ 'content-length': String(bytes) })
    expect(await readBody(post(jsonOf(MAX_BODY_BYTES), length(MAX_BODY_BYTES)))).toHaveLength(MAX_BODY_BYTES - 2)
    expect(await readBody(post(streamed(MAX_BODY_BYTES).body))).toBe(1)
    const refused = { code: 'BODY_TOO_LARGE', details: { limit: MAX_BODY_BYTES } }
    await expect(readBody(post(jsonOf(MAX_BODY_BYTES + 1), length(MAX_BODY_BYTES + 1)))).rejects.toMatchObject(refused)
    await expect(readBody(post(streamed(MAX_BODY_BYTES + 1).body))).rejects.toMatchObject(refused)
  })

  it('stops taking a body that turns out too large', async () => {
    const endless = streamed(100 * MAX_BODY_BYTES)
    await expect(readBody(post(endless.body))).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' })
    expect(endless.taken()).toBeLessThan(2 * MAX_BODY_BYTES)
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'application/jsonx'])(
    'refuses %s, and says what to send',
    async (type) => {
      await expect(readBody(post('{}', { 'content-type': type }))).rejects.toMatchObject({
        code: 'UNSUPPORTED_MEDIA',
        message: expect.stringContaining('content-type: application/json'),
      })
    },
  )

  it('refuses what is compressed, no UTF-8, or ends in the middle', async () => {
    const compressed = readBody(post('{}', { 'content-encoding': 'gzip' }))
    await expect(compressed).rejects.toMatchObject({ code: 'UNSUPPORTED_MEDIA' })
    await expect(readBody(post(new Uint8Array([0x22, 0xff, 0x22])))).rejects.toMatchObject({
      code: 'BAD_REQUEST',
      message: 'the body is no UTF-8 text',
    })
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
    await expect(readBody(post(broken))).rejects.toMatchObject({ code: 'BAD_REQUEST' })
  })
})
