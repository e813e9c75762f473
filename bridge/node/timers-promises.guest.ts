import { globals, nodeError } from './host.guest.ts'

interface Options {
  signal?: { aborted: boolean; reason: unknown; addEventListener(type: 'abort', listener: () => void, options: object): void }
}

export function setTimeout<Value>(ms?: number, value?: Value, { signal }: Options = {}): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(Object.assign(nodeError(Error, 'ABORT_ERR', 'The operation was aborted'), { name: 'AbortError', cause: signal?.reason }))
    if (signal?.aborted) return abort()
    const id = globals.setTimeout(() => resolve(value), ms)
    signal?.addEventListener('abort', () => (globals.clearTimeout(id), abort()), { once: true })
  })
}

export const setImmediate = <Value>(value?: Value, options?: Options): Promise<Value | undefined> => setTimeout(0, value, options)

export async function* setInterval<Value>(ms?: number, value?: Value, options?: Options): AsyncGenerator<Value | undefined> {
  for (;;) yield await setTimeout(ms, value, options)
}

export const scheduler = { wait: (ms: number, options?: Options): Promise<void> => setTimeout(ms, undefined, options), yield: (): Promise<void> => setTimeout(0) }
export default { setTimeout, setImmediate, setInterval, scheduler }
