/**
 * Takes away what lets a module pass its memory limit or outlive its execution: memory that V8's limit does not
 * count (shared and resizable buffers) and callbacks that run at a time of the collector's choosing. WebAssembly is
 * given back in a form that is counted: see wasm.guest.ts.
 */
export function withhold(): void {
  for (const name of ['SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry']) {
    Reflect.deleteProperty(globalThis, name)
  }
  Reflect.deleteProperty(ArrayBuffer.prototype, 'resize')
}
