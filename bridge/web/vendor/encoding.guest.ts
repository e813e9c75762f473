/** In the place of `whatwg-url`'s own file, which expects TextEncoder and TextDecoder. */
export { utf8Decode as utf8DecodeWithoutBOM, utf8Encode } from '../utf8.guest.ts'
