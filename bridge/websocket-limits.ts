/** What web sockets that clients open to a module may take. Sizes in bytes, of each socket unless it says otherwise. */
export const SOCKET_LIMITS = {
  /** Of one module at one time; a request for one more is answered with 503. */
  open: 128,
  /** Of one message, either way; a longer one ends the socket with 1009. */
  messageBytes: 900 * 1024,
  /** Of messages that the module has not taken; past it nothing more is read from the client. */
  untakenBytes: 256 * 1024,
  /** That the client has not taken; past it the module's messages wait in its isolate. */
  unsentBytes: 256 * 1024,
  /** Of messages that wait in the isolate; past it the socket is closed with 1008. */
  queuedBytes: 8 * 1024 * 1024,
  /** Of messages that are carried at once; a longer one is carried alone. */
  batchBytes: 192 * 1024,
  batchMessages: 64,
  /** Executions of one socket at one time, in which its messages are received. */
  batchesAtOnce: 4,
  /** Of a client that answers no ping, s: what a module may ask for, and what it has where it asks for nothing. */
  idleS: { least: 1, most: 300, usual: 120 },
} as const

/** What the host tells of a socket: a message, that there is room again, or its end. */
export type SocketPiece = { t: string } | { b: string } | { drain: true } | { close: { code: number; reason: string; wasClean: boolean; error?: string } }
