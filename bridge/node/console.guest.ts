import { globals } from './host.guest.ts'

export const { log, warn, error, info, debug } = globals.console
export default globals.console
