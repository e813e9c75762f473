import { globals } from './host.guest.ts'

export const { performance } = globals
export const PerformanceObserver = globals['PerformanceObserver']
export const PerformanceEntry = globals['PerformanceEntry']
export const constants = {}
export default { performance, PerformanceObserver, PerformanceEntry, constants }
