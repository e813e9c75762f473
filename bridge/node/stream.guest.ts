import stream from 'readable-stream'

const all = stream as Record<string, (...args: unknown[]) => unknown>
const { setDefaultHighWaterMark: setDefault, getDefaultHighWaterMark: getDefault } = all['Stream'] as unknown as typeof all
setDefault!(false, 64 * 1024) // as Node has it since version 22
export const {
  Readable, Writable, Duplex, Transform, PassThrough, pipeline, finished, addAbortSignal, compose, destroy,
  isDisturbed, isErrored, isReadable, promises, _uint8ArrayToBuffer, _isUint8Array,
} = all
export const setDefaultHighWaterMark = setDefault
export const getDefaultHighWaterMark = getDefault
// As in Node: the module itself is the oldest of the classes, with the others on it.
export const Stream = all['Stream']!
export default all['Stream']
