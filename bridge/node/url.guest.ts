import legacy, { parse } from 'unenv/node/url'
import { globals } from './host.guest.ts'

// The library says once that this is old, which Deno does not.
const { warn } = globals.console
globals.console.warn = () => {}
parse('about:blank')
globals.console.warn = warn

export const URL = globals['URL']
export const URLSearchParams = globals['URLSearchParams']
export { domainToASCII, domainToUnicode, fileURLToPath, format, parse, pathToFileURL, resolve, resolveObject, Url, urlToHttpOptions } from 'unenv/node/url'
export default { ...legacy, URL, URLSearchParams }
