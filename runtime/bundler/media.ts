import type { Media } from './pins.ts'

/** What a content type says that a file is; undefined where it says nothing. */
export function mediaOfType(type: string): Media | undefined {
  const essence = type.split(';', 1)[0]!.trim().toLowerCase()
  if (/^(application|text)\/(typescript|x-typescript)$|^video\/(vnd\.dlna\.mpeg-tts|mp2t)$/.test(essence)) return 'ts'
  if (essence === 'text/tsx') return 'tsx'
  if (essence === 'text/jsx') return 'jsx'
  if (/^(application|text)\/(x-)?(javascript|ecmascript)$|^application\/node$/.test(essence)) return 'js'
  if (/^(application|text)\/json$|\+json$/.test(essence)) return 'json'
  if (essence === 'application/wasm') return 'wasm'
  return undefined
}

/** Of a `data:` URL. */
export function mediaOfData(url: string): Media {
  const [type = ''] = url.slice('data:'.length).split(/[;,]/, 1)
  return mediaOfType(type) ?? 'other'
}
