import type { GuestSettings } from '../contract.ts'
import { refusal } from '../errors.guest.ts'

export type HostAsk = (capability: string, args: string, maxLength?: number) => Promise<string>

let askOf: (execution: string) => HostAsk | undefined
let settingsOf: () => GuestSettings
let currentExecution: () => string
let backgroundExecution: () => string

/** For the bridge's own start. */
export function connectHost(ask: typeof askOf, settings: typeof settingsOf, current: typeof currentExecution, background: typeof backgroundExecution): void {
  askOf = ask
  settingsOf = settings
  currentExecution = current
  backgroundExecution = background
}

/**
 * Asks the host for `capability` in the name of the execution that entered last, or of the background where that has
 * ended, and counts on its caps. Arguments and
 * answer are JSON text; whether the module may is for the host to say. It rejects with the host's refusal, a
 * BulkheadError's code and message.
 *
 * @param maxLength characters that the arguments may have, where the capability takes more than `askBytes`
 * @throws CALL_LIMIT, SIZE_LIMIT; UNAVAILABLE where no execution is open
 * @example parse(await hostAsk('resolve-dns', stringify({ name: 'example.org' })))
 */
export function hostAsk(capability: string, args: string, maxLength?: number): Promise<string> {
  const ask = askOf(currentExecution()) ?? askOf(backgroundExecution())
  if (!ask) throw refusal('UNAVAILABLE', `cannot call ${capability}, no execution of the module is open`)
  return ask(capability, args, maxLength)
}

/** Asks in the name of the module's background, of which one is open while it has sockets open, whatever else runs. */
export function backgroundAsk(capability: string, args: string, maxLength?: number): Promise<string> {
  return (askOf(backgroundExecution()) ?? hostAsk)(capability, args, maxLength)
}

/**
 * A way to ask in the name of the execution that entered last, as long as it is open: what was begun in one execution is
 * gone on with in it, whichever others have entered since. After it, as hostAsk does. A background is gone on with in its
 * next execution, to which the host hands on what is open.
 */
export function hostAsker(): HostAsk {
  const execution = currentExecution()
  const isBackground = execution === backgroundExecution()
  return (capability, args, maxLength) => (askOf(isBackground ? backgroundExecution() : execution) ?? hostAsk)(capability, args, maxLength)
}

/** Whether the module was granted `permission`, as it stands now. For messages and `Deno.permissions`; the host decides. */
export function hostGranted(permission: string): boolean {
  const { permissions } = settingsOf()
  for (let i = 0; i < permissions.length; i++) if (permissions[i] === permission) return true
  return false
}

/** What the module runs on: its permissions, variables, caps. Not for module code: give out copies. */
export function hostSettings(): GuestSettings {
  return settingsOf()
}
