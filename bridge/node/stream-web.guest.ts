import { globals } from './host.guest.ts'

export const ReadableStream = globals['ReadableStream']
export const ReadableStreamDefaultReader = globals['ReadableStreamDefaultReader']
export const ReadableStreamBYOBReader = globals['ReadableStreamBYOBReader']
export const ReadableByteStreamController = globals['ReadableByteStreamController']
export const WritableStream = globals['WritableStream']
export const WritableStreamDefaultWriter = globals['WritableStreamDefaultWriter']
export const TransformStream = globals['TransformStream']
export const ByteLengthQueuingStrategy = globals['ByteLengthQueuingStrategy']
export const CountQueuingStrategy = globals['CountQueuingStrategy']
export const TextEncoderStream = globals['TextEncoderStream']
export const TextDecoderStream = globals['TextDecoderStream']
export const CompressionStream = globals['CompressionStream']
export const DecompressionStream = globals['DecompressionStream']
export default { ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableByteStreamController, WritableStream, WritableStreamDefaultWriter, TransformStream, ByteLengthQueuingStrategy, CountQueuingStrategy, TextEncoderStream, TextDecoderStream, CompressionStream, DecompressionStream }
