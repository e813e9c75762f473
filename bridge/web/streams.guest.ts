import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from 'web-streams-polyfill'
import { shapeInspection, shapeInspectionAs } from './interface.guest.ts'

// Streams Standard: `web-streams-polyfill`, which is made from the reference implementation. Here is how Deno shows them.
type Shaped = Parameters<typeof shapeInspection>[0]
const SHOWN: ReadonlyArray<[Shaped, string[]]> = [
  [ByteLengthQueuingStrategy, ['highWaterMark', 'size']],
  [CountQueuingStrategy, ['highWaterMark', 'size']],
  [ReadableByteStreamController, ['desiredSize']],
  [ReadableStreamBYOBReader, ['closed']],
  [ReadableStreamBYOBRequest, ['view']],
  [ReadableStreamDefaultController, ['desiredSize']],
  [ReadableStreamDefaultReader, ['closed']],
  [TransformStream, ['readable', 'writable']],
  [TransformStreamDefaultController, ['desiredSize']],
  [WritableStream, ['locked']],
  [WritableStreamDefaultController, ['signal']],
  [WritableStreamDefaultWriter, ['closed', 'desiredSize', 'ready']],
]
for (const [of, names] of SHOWN) shapeInspection(of, names)

/** What the library keeps of a stream; runtime/program-chunks.ts has put it under symbols of these names. */
function slotOf(name: '_state' | '_disturbed' | '_readableStreamController'): symbol {
  return Object.getOwnPropertySymbols(new ReadableStream()).find(({ description }) => description === name) as symbol
}
const [STATE, DISTURBED, CONTROLLER] = [slotOf('_state'), slotOf('_disturbed'), slotOf('_readableStreamController')]

shapeInspectionAs(ReadableStream, (self, inspect, options) => {
  const { [STATE]: state, [CONTROLLER]: controller } = self as Record<symbol, unknown>
  const view = Object.create({ constructor: { name: 'ReadableStream' } }) as object
  return inspect(Object.assign(view, { locked: (self as ReadableStream).locked, state, supportsBYOB: controller instanceof ReadableByteStreamController }), options)
})

/** Whether a stream has been read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  return (stream as unknown as Record<symbol, boolean>)[DISTURBED] as boolean
}

/** Has a stream count as read from. */
export function disturb(stream: ReadableStream): void {
  ;(stream as unknown as Record<symbol, boolean>)[DISTURBED] = true
}

export {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
}
