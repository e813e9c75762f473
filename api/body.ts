import { BulkheadError } from '../bridge/errors.ts'
import { parseJson } from './json.ts'

export const MAX_BODY_BYTES = 1024 * 1024

/**
 * Reads the JSON body of a request, counting while it arrives.
 *
 * @returns the parsed value; undefined where there is no body
 * @throws BulkheadError `BODY_TOO_LARGE` past 1 MiB, `UNSUPPORTED_MEDIA` for what does not call itself JSON,
 * `BAD_REQUEST` for what is no UTF-8, no JSON or ends early
 * @example await readBody(new Request('http://localhost', { method: 'POST', body: '{"a":1}' })) // { a: 1 }
 */
export async function readBody(request: Request): Promise<unknown> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined
  const bytes = await collect(request)
  if (bytes.byteLength === 0) return undefined
  refuseMedia(request.headers)
  return parseJson(decode(bytes))
}

async function collect(request: Request): Promise<Uint8Array> {
  const declared = request.headers.get('content-length')
  if (declared !== null && Number(declared) > MAX_BODY_BYTES) throw tooLarge()
  try {
    // Node's parser holds a body to its declared length, and reading it whole is several times as fast.
    if (declared !== null && !request.headers.has('transfer-encoding')) {
      const whole = new Uint8Array(await request.arrayBuffer())
      if (whole.byteLength > MAX_BODY_BYTES) throw tooLarge()
      return whole
    }
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength
      if (size > MAX_BODY_BYTES) throw tooLarge()
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } catch (thrown) {
    if (thrown instanceof BulkheadError) throw thrown
    throw new BulkheadError('BAD_REQUEST', 'the body could not be read to its end', undefined, thrown)
  }
}

function tooLarge(): BulkheadError {
  return new BulkheadError('BODY_TOO_LARGE', `the body is larger than ${MAX_BODY_BYTES} bytes`, {
    limit: MAX_BODY_BYTES,
  })
}

function refuseMedia(headers: Headers): void {
  const type = headers.get('content-type')
  if (type !== null && !/^application\/([\w.+-]+\+)?json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    const name = JSON.stringify(type.slice(0, 100))
    const hint = 'send JSON with the header "content-type: application/json"'
    throw new BulkheadError('UNSUPPORTED_MEDIA', `the body is ${name}, which is not accepted: ${hint}`)
  }
  const coding = headers.get('content-encoding')
  if (coding !== null && coding.toLowerCase() !== 'identity') {
    throw new BulkheadError('UNSUPPORTED_MEDIA', 'the body is compressed, which is not accepted: send it as it is')
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new BulkheadError('BAD_REQUEST', 'the body is no UTF-8 text')
  }
}
