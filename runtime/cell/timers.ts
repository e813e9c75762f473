/** The clock behind a module's timers: ids and delays come from the guest, so both are bounded. */
export function openTimers(max: number, fire: (id: number) => void) {
  const timers = new Map<number, NodeJS.Timeout>()
  return {
    set(id: number, delayMs: number): void {
      if (timers.size >= max) return
      const timer = setTimeout(() => {
        timers.delete(id)
        fire(id)
      }, delayMs)
      clearTimeout(timers.get(id))
      timers.set(id, timer)
    },
    clear(id: number): void {
      clearTimeout(timers.get(id))
      timers.delete(id)
    },
    clearAll(): void {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
    },
  }
}
