import type { Caller } from '../bridge/capabilities.ts'

/** A caller as the host makes one, for what no isolate of ours would send. */
export function callerOf(...permissions: string[]): Caller & { end(): void; noted: string[] } {
  const atEnd: Array<() => void> = []
  const noted: string[] = []
  return {
    module: 'attacker', version: '1.0.0', execution: crypto.randomUUID(), hook: 'test', chain: [], deadline: Infinity,
    permissions: new Set(permissions), hide: (value) => value, violated: (permission) => void noted.push(permission),
    asked: new Map(), extractions: [], atEnd, nextSeq: () => 0, noted,
    end() {
      for (const give of atEnd) give()
    },
  }
}
