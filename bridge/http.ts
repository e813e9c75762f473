/** What crosses between the host and a module that answers a request. Bytes are base64. */
export interface RequestHead {
  method: string
  /** As the module sees it: the path behind `/api/modules/<name>`. */
  url: string
  headers: Array<[name: string, value: string]>
  /** All of it where it is small; `stream`: to be asked for piece by piece. */
  body: { b: string } | 'stream' | null
  remote: { hostname: string; port: number }
  /** Whether the connection can become a web socket. */
  upgrade?: true
}

export interface ResponseHead {
  status: number
  statusText: string
  headers: Array<[name: string, value: string]>
}

/** What the execution of a request returns: the response, or that it was streamed, or has become a socket. */
export type ResponseResult = (ResponseHead & { body: string | null }) | 'streamed' | 'upgraded'

export const HTTP_LIMITS = {
  /** Bytes of one piece of a body, which is an argument of at most 64 KiB in base64. */
  chunkBytes: 48_000,
  /** Bytes of a body that goes with its head. */
  inlineBytes: 256 * 1024,
  requestBytes: 16 * 1024 * 1024,
  responseBytes: 64 * 1024 * 1024,
  /** Of a response: how many, and characters of all names and values. */
  headers: 100,
  headerLength: 16 * 1024,
} as const
