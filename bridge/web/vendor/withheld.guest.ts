/** In the place of the global that isolates are without, for packages that ask it for its getters: nothing is one. */
export class SharedArrayBuffer {
  get byteLength(): number {
    throw new TypeError('not a SharedArrayBuffer')
  }

  get growable(): boolean {
    throw new TypeError('not a SharedArrayBuffer')
  }
}
