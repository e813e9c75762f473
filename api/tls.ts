import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { BulkheadError } from '../bridge/errors.ts'

/** A certificate with its chain, and its private key, both in PEM. */
export interface Tls {
  cert: string
  key: string
}

/**
 * Reads what HTTPS needs, and says before anybody connects what does not fit.
 *
 * @throws BulkheadError `INVALID` for a file that cannot be read, is no PEM, has expired or does not belong to the other
 * @example readTls({ cert: '/etc/ssl/bulkhead.crt', key: '/etc/ssl/bulkhead.key' })
 */
export function readTls(files: { cert: string; key: string }): Tls {
  const cert = read('certificate', files.cert)
  const key = read('private key', files.key)
  const certificate = parsed('certificate', files.cert, () => new X509Certificate(cert))
  const privateKey = parsed('private key', files.key, () => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) throw refused(`the private key in ${files.key} is not that of the certificate in ${files.cert}`)
  if (certificate.validToDate < new Date()) throw refused(`the certificate in ${files.cert} has expired, on ${certificate.validTo}`)
  return { cert, key }
}

function read(what: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (thrown) {
    throw refused(`the ${what} cannot be read from ${file}: ${(thrown as NodeJS.ErrnoException).code ?? 'unknown'}`)
  }
}

/** What the parser says of a key may hold some of it, and is not passed on. */
function parsed<Value>(what: string, file: string, parse: () => Value): Value {
  try {
    return parse()
  } catch {
    throw refused(`${file} holds no ${what} in PEM, or one with a passphrase`)
  }
}

function refused(why: string): BulkheadError {
  return new BulkheadError('INVALID', `cannot serve HTTPS, ${why}`)
}
