import { docsPage } from './docs.ts'
import { METRICS } from './metrics.ts'
import { openApi } from './openapi.ts'
import { operations } from './operations/table.ts'

/** What a page may do that is not meant to be one. */
export const NOTHING = "default-src 'none'; frame-ancestors 'none'"

interface Document {
  method: 'GET'
  path: string
  type: string
  /** The text, and the only policy that a browser needs to show it. */
  read(): { text: string; policy: string }
}

/** Beside the operations: what supervisors and Prometheus ask. */
const HEALTH = [
  { path: '/healthz', summary: 'Whether the host lives', type: 'application/json' },
  { path: '/readyz', summary: 'Whether the host can take calls', type: 'application/json' },
  { path: METRICS.path, summary: 'The metrics, as Prometheus reads them', type: 'text/plain', scope: METRICS.scope },
]

/**
 * What the API says of itself, without a key: it is made of the code alone, so that who reads it learns what any
 * installation can be asked, and nothing of this one. Made when it is first read.
 */
export const documents: readonly Document[] = [
  {
    method: 'GET',
    path: '/openapi.json',
    type: 'application/json; charset=utf-8',
    read: once(() => ({ text: JSON.stringify(openApi(operations, [...HEALTH, ...SELF])), policy: NOTHING })),
  },
  { method: 'GET', path: '/docs', type: 'text/html; charset=utf-8', read: once(() => docsPage(operations)) },
]

const SELF = [
  { path: '/openapi.json', summary: 'This document', type: 'application/json' },
  { path: '/docs', summary: 'The operations as a page to read', type: 'text/html' },
]

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}
