/** How many of something a module may have at one time: who comes when all are taken waits for the next. */
export interface Places {
  of(module: string): Place
}

export interface Place {
  /** Resolves with how to give it back, once there is one. @throws the signal's reason where it does not wait any longer */
  take(signal: AbortSignal): Promise<() => void>
}

export function openPlaces(count: number): Places {
  const taken = new Map<string, number>()
  const waiting = new Map<string, Set<() => void>>()

  function give(module: string): void {
    const queue = waiting.get(module)
    const [next] = queue ?? []
    if (next) {
      queue?.delete(next)
      if (queue?.size === 0) waiting.delete(module)
      return next()
    }
    const left = (taken.get(module) ?? 0) - 1
    if (left > 0) taken.set(module, left)
    else taken.delete(module)
  }

  const release = (module: string) => {
    let given = false
    return () => {
      if (!given) give(module)
      given = true
    }
  }

  return {
    of: (module) => ({
      async take(signal) {
        signal.throwIfAborted()
        const now = taken.get(module) ?? 0
        if (now < count) {
          taken.set(module, now + 1)
          return release(module)
        }
        const queue = waiting.get(module) ?? new Set()
        waiting.set(module, queue)
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const leave = () => {
          queue.delete(resolve)
          if (queue.size === 0) waiting.delete(module)
          reject(signal.reason as Error)
        }
        queue.add(resolve)
        signal.addEventListener('abort', leave, { once: true })
        await promise
        signal.removeEventListener('abort', leave)
        return release(module)
      },
    }),
  }
}
