import { errorClassOf } from './errors.guest.ts'
import type { HostAsk } from '../web/host.guest.ts'

/** An answer of the network's capabilities. @throws the fault that the answer is, as an error of `Deno.errors`; what the host refuses */
export async function answerTo(ask: HostAsk, capability: string, args: object, maxLength?: number): Promise<string> {
  const answer = await ask(capability, JSON.stringify(args), maxLength)
  if (answer.startsWith('!')) throw faultFrom(answer.slice(1))
  return answer
}

function faultFrom(text: string): Error {
  const { name, message, code } = JSON.parse(text) as { name: string; message: string; code?: string }
  const error = new (errorClassOf(name))(message)
  return code === undefined ? error : Object.assign(error, { code })
}

/** Asks for what may have ended by now, in which case there is nothing left to do. */
export function askAnyway(ask: HostAsk, capability: string, args: object): void {
  try {
    ask(capability, JSON.stringify(args)).catch(() => {})
  } catch {} // no execution is open any more, so that the host has let go of it by itself
}
