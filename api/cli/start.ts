import { parseArgs } from 'node:util'
import { EXIT } from './exit.ts'

export const HELP = `bulkhead start: start the server

Usage: bulkhead start [--tls-cert FILE --tls-key FILE]

It listens on 127.0.0.1:7700, keeps an embedded PostgreSQL under .bulkhead/ and serves the modules in modules/.
The environment says otherwise:

  PORT                 port to listen on (7700)
  HOST                 address to listen on (127.0.0.1)
  DATABASE_URL         a PostgreSQL server to use instead of the embedded one
  BULKHEAD_DATA        folder for the database, the admin key and caches (.bulkhead)
  BULKHEAD_MODULES     folder whose folders are modules (modules)
  BULKHEAD_CELLS       child processes that modules share (one for each core)
  BULKHEAD_ADMIN_KEY   the admin key, instead of one made at the first start
  BULKHEAD_TLS_CERT    file with a certificate, for HTTPS; the same as --tls-cert
  BULKHEAD_TLS_KEY     file with its private key; the same as --tls-key
  BULKHEAD_CORS_ORIGINS          origins whose pages may call the API, with commas between (none)
  BULKHEAD_REQUESTS_PER_MINUTE   what a key may ask that has no rate of its own (as much as it likes)
  LOG_LEVEL            trace, debug, info, warn, error, fatal or silent (info)
`

export async function start(args: string[]): Promise<number> {
  const env = { ...process.env }
  try {
    const { values } = parseArgs({ args, options: { 'tls-cert': { type: 'string' }, 'tls-key': { type: 'string' } } })
    if (values['tls-cert'] !== undefined) env['BULKHEAD_TLS_CERT'] = values['tls-cert']
    if (values['tls-key'] !== undefined) env['BULKHEAD_TLS_KEY'] = values['tls-key']
  } catch (thrown) {
    process.stderr.write(`bulkhead: ${(thrown as Error).message}; see bulkhead start --help\n`)
    return EXIT.usage
  }
  const { main } = await import('../main.ts')
  return main(env)
}
