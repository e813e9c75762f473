/** What modules may do with the network; the same for every module. Sizes in bytes. */
export const NET_CAPS = {
  /** Exchanges, connections and lookups of one module at one time, over all of its executions; further ones wait. */
  open: 64,
  /** Of one execution at one time, those that wait among them. */
  openPerExecution: 256,
  redirects: 20,
  urlLength: 8_192,
  headers: 200,
  headerLength: 32 * 1024,
  /** Sent by one execution, and received by it, after what was compressed is not any more. */
  sentBytes: 64 * 1024 * 1024,
  receivedBytes: 128 * 1024 * 1024,
  /** Of one message of a WebSocket, and of those that wait to be read. */
  messageBytes: 1024 * 1024,
  /** Characters of what a name server answered. */
  answerLength: 256 * 1024,
  /** Of a body, in one piece over the boundary. */
  chunkBytes: 192 * 1024,
} as const
