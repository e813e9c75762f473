/** What a command works with of the process around it; tests bring their own. */
export interface Io {
  stdin: AsyncIterable<Uint8Array | string> & { isTTY?: boolean }
  stdout: Out
  stderr: Out
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Aborts when the user presses Ctrl-C. */
  interrupted: AbortSignal
  /** Asks the user one question; undefined where nobody can be asked. */
  ask: ((question: string) => Promise<string>) | undefined
}

export interface Out {
  write(text: string | Uint8Array): unknown
  isTTY?: boolean
  columns?: number
}

/** Whether colours may be used there: only on a terminal, and not where the user has said otherwise (no-color.org). */
export function coloured(out: Out, env: Io['env']): boolean {
  return out.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}
