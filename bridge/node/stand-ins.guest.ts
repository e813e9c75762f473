// The libraries behind `inspect` and `parseArgs` look at every class there is when they are loaded, also at those that
// a module has not.
const absent = ['SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry'].filter((name) => !(name in globalThis))
for (const name of absent) Object.defineProperty(globalThis, name, { value: function () {}, configurable: true })

export function removeStandIns(): void {
  for (const name of absent) Reflect.deleteProperty(globalThis, name)
}
