export { clearImmediate, setImmediate } from './timers.guest.ts'
