import { URL, URLSearchParams } from 'whatwg-url'
import { lazily } from './globals.guest.ts'
import { shapeInspection, shapeInspectionAs } from './interface.guest.ts'

// URL Standard, https://url.spec.whatwg.org/: `whatwg-url`, the reference implementation. What it needs for host names
// beyond ASCII is a chunk of its own; see runtime/program-chunks.ts for what stands in the place of its imports.
shapeInspection(URL, ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'hash', 'search'])
shapeInspectionAs(URLSearchParams, (self, inspect, options) => {
  const pairs = Array.from(self as URLSearchParams, ([name, value]) => `${inspect(name, options)} => ${inspect(value, options)}`)
  return pairs.length === 0 ? 'URLSearchParams {}' : `URLSearchParams { ${pairs.join(', ')} }`
})

// The bundler has renamed them, next to globals of the same names.
for (const [of, name] of [[URL, 'URL'], [URLSearchParams, 'URLSearchParams']] as const) Object.defineProperty(of, 'name', { value: name })

// File API, 8.4: what it needs of blobs comes with the first of them.
const objectUrls = {
  createObjectURL(..._blob: unknown[]): unknown {
    return Reflect.apply(lazily('web/object-url')['createObjectURL'] as () => unknown, undefined, arguments)
  },
  revokeObjectURL(..._url: unknown[]): unknown {
    return Reflect.apply(lazily('web/object-url')['revokeObjectURL'] as () => unknown, undefined, arguments)
  },
}
for (const [name, value] of Object.entries(objectUrls)) {
  Object.defineProperty(value, 'length', { value: 1, configurable: true })
  Object.defineProperty(URL, name, { value, writable: true, enumerable: true, configurable: true })
}

export { URL, URLSearchParams }
