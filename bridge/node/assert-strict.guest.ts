import {
  AssertionError, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, fail, ifError, match, notDeepStrictEqual, notStrictEqual, ok, rejects, strict, strictEqual, throws,
} from './assert.guest.ts'

export {
  AssertionError, deepStrictEqual as deepEqual, deepStrictEqual, doesNotMatch, doesNotReject, doesNotThrow, fail, ifError, match, notDeepStrictEqual as notDeepEqual,
  notDeepStrictEqual, notStrictEqual as notEqual, notStrictEqual, ok, rejects, strict, strictEqual as equal, strictEqual, throws,
}
export default strict
