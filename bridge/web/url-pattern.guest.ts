import { URLPattern } from 'urlpattern-polyfill/urlpattern'
import { URL } from './url.guest.ts'
import { shapeInspection } from './interface.guest.ts'

// URL Pattern Standard: `urlpattern-polyfill`, over the URL of this isolate.
void URL
shapeInspection(URLPattern, ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash', 'hasRegExpGroups'])
for (const name of Object.getOwnPropertyNames(URLPattern.prototype)) if (name !== 'constructor') Object.defineProperty(URLPattern.prototype, name, { enumerable: true })

export { URLPattern }
