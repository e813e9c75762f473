// Encoding Standard, 9 to 15: the encodings that are not UTF-8, from `@exodus/bytes` with all its tables.
export { TextDecoder } from '@exodus/bytes/encoding.js'
