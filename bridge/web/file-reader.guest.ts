import { type Blob, blobBytes, type Bytes, isBlob } from './blob.guest.ts'
import { DOMException } from './dom-exception.guest.ts'
import { TextDecoder } from './encoding.guest.ts'
import { trusted } from './event.guest.ts'
import { EventTarget, shapeHandler } from './event-target.guest.ts'
import { ProgressEvent } from './events.guest.ts'
import { needArguments, shapeInspection, shapeInterface, toText } from './interface.guest.ts'
import { mediaType } from './media-type.guest.ts'
import { toBase64 } from './native-base64.guest.ts'
import { queueTask } from './task.guest.ts'

// File API, 6.

const CONSTANTS = { EMPTY: 0, LOADING: 1, DONE: 2 } as const

export class FileReader extends EventTarget {
  #state: number = CONSTANTS.EMPTY
  #result: string | ArrayBuffer | null = null
  #error: DOMException | null = null
  /** The reading that goes on; another one, or none, once it was aborted. */
  #reading: object | undefined

  #read(blob: Blob, operation: string, given: number, toResult: (bytes: Bytes) => string | ArrayBuffer): void {
    needArguments(given, 1, operation, 'FileReader')
    if (!isBlob(blob)) throw new TypeError(`Failed to execute '${operation}' on 'FileReader': Argument 1 is not of type Blob`)
    if (this.#state === CONSTANTS.LOADING) throw new DOMException('Invalid FileReader state', 'InvalidStateError')
    this.#state = CONSTANTS.LOADING
    this.#result = null
    this.#error = null
    const reading = (this.#reading = {})
    const bytes = blobBytes(blob)
    const during = (task: () => void) => {
      queueTask(() => {
        if (this.#reading === reading) task()
      })
    }
    during(() => this.#tell('loadstart'))
    if (bytes.length > 0) during(() => this.#tell('progress', bytes.length))
    during(() => {
      this.#state = CONSTANTS.DONE
      this.#result = toResult(bytes)
      this.#tell('load', bytes.length, bytes.length)
      // A listener may have begun to read anew.
      if (this.#state !== CONSTANTS.LOADING) this.#tell('loadend', bytes.length, bytes.length)
    })
  }

  #tell(type: string, loaded = 0, total = 0): void {
    this.dispatchEvent(trusted(new ProgressEvent(type, { lengthComputable: total > 0, loaded, total })))
  }

  get readyState(): number {
    return this.#state
  }

  get result(): string | ArrayBuffer | null {
    return this.#result
  }

  get error(): DOMException | null {
    return this.#error
  }

  abort(): void {
    if (this.#state !== CONSTANTS.LOADING) {
      this.#result = null
      return
    }
    this.#state = CONSTANTS.DONE
    this.#result = null
    this.#reading = undefined
    this.#error = new DOMException('The reading was aborted', 'AbortError')
    this.#tell('abort')
    if ((this.#state as number) !== CONSTANTS.LOADING) this.#tell('loadend')
  }

  readAsArrayBuffer(blob: Blob): void {
    this.#read(blob, 'readAsArrayBuffer', arguments.length, (bytes) => bytes.slice().buffer)
  }

  readAsBinaryString(blob: Blob): void {
    this.#read(blob, 'readAsBinaryString', arguments.length, (bytes) => {
      let text = ''
      for (let at = 0; at < bytes.length; at += 4_096) text += String.fromCharCode(...bytes.subarray(at, at + 4_096))
      return text
    })
  }

  readAsDataURL(blob: Blob): void {
    this.#read(blob, 'readAsDataURL', arguments.length, (bytes) => `data:${blob.type || 'application/octet-stream'};base64,${toBase64(bytes)}`)
  }

  readAsText(blob: Blob, encoding: string | undefined = undefined): void {
    this.#read(blob, 'readAsText', arguments.length, (bytes) => {
      const label = encoding === undefined ? mediaType(blob.type)?.parameters.get('charset') : toText(encoding)
      return decoderOf(label).decode(bytes)
    })
  }
}
shapeInterface(FileReader, CONSTANTS)
for (const type of ['error', 'loadstart', 'load', 'loadend', 'progress', 'abort']) shapeHandler(FileReader, type)
shapeInspection(FileReader, ['error', 'readyState', 'result'])

function decoderOf(label: string | undefined): { decode(bytes: Bytes): string } {
  try {
    return new TextDecoder(label)
  } catch {
    return new TextDecoder()
  }
}
