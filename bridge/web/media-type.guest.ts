// MIME Sniffing, 4.4 and 4.5: a media type read and written.

export interface MediaType {
  /** Type and subtype, in lower case. */
  essence: string
  parameters: Map<string, string>
  /** As it is written again. */
  text: string
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const QUOTABLE = /^[\t\x20-\x7e\x80-\xff]*$/

/** The last media type of a header's value; nothing where it is none. */
export function mediaType(value: string | null): MediaType | undefined {
  const match = value === null ? null : /^[\t\n\r ]*([^/;]+)\/([^;]*?)[\t\n\r ]*(;.*)?$/s.exec(value)
  const [, type = '', subtype = '', rest = ''] = match ?? []
  if (!TOKEN.test(type) || !TOKEN.test(subtype)) return undefined
  const essence = `${type}/${subtype}`.toLowerCase()
  const parameters = new Map<string, string>()
  for (const [, name = '', quoted, plain = ''] of rest.matchAll(/;[\t\n\r ]*([^;=]+)=(?:"((?:[^"\\]|\\.)*)"?[^;]*|([^;]*))/gs)) {
    const key = name.toLowerCase()
    const text = quoted === undefined ? plain.replace(/[\t\n\r ]+$/, '') : quoted.replace(/\\(.)/gs, '$1')
    const isFilled = quoted !== undefined || text !== ''
    if (TOKEN.test(key) && QUOTABLE.test(text) && isFilled && !parameters.has(key)) parameters.set(key, text)
  }
  let text = essence
  for (const [name, parameter] of parameters) text += `;${name}=${TOKEN.test(parameter) ? parameter : `"${parameter.replace(/(["\\])/g, '\\$1')}"`}`
  return { essence, parameters, text }
}
