import { globals } from './host.guest.ts'
import { setTimeout as after, setInterval as every, setImmediate as soon, scheduler } from './timers-promises.guest.ts'

type Callback = (...args: unknown[]) => void

export const setTimeout = (callback: Callback, ms?: number, ...args: unknown[]): unknown => globals.setTimeout(callback, ms, ...args)
export const clearTimeout = (id: unknown): void => globals.clearTimeout(id)
export const setInterval = (callback: Callback, ms?: number, ...args: unknown[]): unknown => globals.setInterval(callback, ms, ...args)
export const clearInterval = (id: unknown): void => globals.clearInterval(id)
export const setImmediate = (callback: Callback, ...args: unknown[]): unknown => globals.setTimeout(callback, 0, ...args)
export const clearImmediate = (id: unknown): void => globals.clearTimeout(id)
export const promises = { setTimeout: after, setInterval: every, setImmediate: soon, scheduler }
export default { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, promises }
