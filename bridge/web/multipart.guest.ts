import { blobBytes, type Bytes, concat, fileFrom } from './blob.guest.ts'
import { FormData, formEntries } from './form-data.guest.ts'
import { fillRandom } from './random.guest.ts'
import { utf8Decode, utf8Encode, withoutBom } from './utf8.guest.ts'

// HTML, 4.10.21.8 (multipart/form-data), and RFC 7578: written and read.

export function writeMultipart(form: FormData): { bytes: Bytes; type: string } {
  const boundary = `----${[...randomBytes(14)].map((byte) => String(byte % 100).padStart(2, '0')).join('')}`
  const parts: Bytes[] = []
  for (const [name, value] of formEntries(form)) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(normalized(name))}"`
    if (typeof value === 'string') {
      parts.push(utf8Encode(`${head}\r\n\r\n${normalized(value)}\r\n`))
    } else {
      parts.push(utf8Encode(`${head}; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`), blobBytes(value), utf8Encode('\r\n'))
    }
  }
  parts.push(utf8Encode(`--${boundary}--`))
  return { bytes: concat(parts), type: `multipart/form-data; boundary=${boundary}` }
}

/** @throws TypeError where it is no such body */
export function readMultipart(bytes: Bytes, boundary: string): FormData {
  const form = new FormData()
  const delimiter = utf8Encode(`--${boundary}`)
  let at = find(bytes, delimiter, 0)
  if (at < 0) throw malformed()
  for (;;) {
    at += delimiter.length
    if (bytes[at] === 0x2d && bytes[at + 1] === 0x2d) return form
    while (bytes[at] === 0x20 || bytes[at] === 0x09) at++
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a) throw malformed()
    const headEnd = find(bytes, HEAD_END, at)
    if (headEnd < 0) throw malformed()
    const head = utf8Decode(bytes.subarray(at + 2, headEnd + 2))
    const start = headEnd + HEAD_END.length
    const end = find(bytes, utf8Encode(`\r\n--${boundary}`), start)
    if (end < 0) throw malformed()
    appendPart(form, head, bytes.slice(start, end))
    at = end + 2
  }
}

const HEAD_END = utf8Encode('\r\n\r\n')

function appendPart(form: FormData, head: string, body: Bytes): void {
  const disposition = /^content-disposition:[ \t]*form-data[ \t]*;(.*)$/im.exec(head)?.[1]
  if (disposition === undefined) throw malformed()
  const name = parameter(disposition, 'name')
  if (name === undefined) throw malformed()
  const filename = parameter(disposition, 'filename')
  if (filename === undefined) return form.append(name, utf8Decode(withoutBom(body)))
  const type = /^content-type:[ \t]*(.*?)[ \t]*\r?$/im.exec(head)?.[1] ?? 'text/plain'
  form.append(name, fileFrom(body, filename, type, Date.now()))
}

function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|;)[ \\t]*${name}=(?:"([^"]*)"|([^;\\s]*))`, 'i').exec(disposition)
  return match ? (match[1] ?? match[2] ?? '').replace(/%0a/gi, '\n').replace(/%0d/gi, '\r').replace(/%22/g, '"') : undefined
}

function find(bytes: Bytes, wanted: Bytes, from: number): number {
  const first = wanted[0] as number
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    let i = 1
    while (i < wanted.length && bytes[at + i] === wanted[i]) i++
    if (i === wanted.length) return at
  }
  return -1
}

function escaped(name: string): string {
  return name.replace(/\n/g, '%0A').replace(/\r/g, '%0D').replace(/"/g, '%22')
}

function normalized(text: string): string {
  return text.replace(/\r\n?|\n/g, '\r\n')
}

function randomBytes(count: number): Bytes {
  const bytes = new Uint8Array(count)
  fillRandom(bytes)
  return bytes
}

const malformed = () => new TypeError('Unable to parse body as form data.')
