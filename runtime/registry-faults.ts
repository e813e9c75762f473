import { BulkheadError } from '../bridge/errors.ts'

/** What the library that asks the registry throws. */
interface RegistryFault {
  code?: string
  name?: string
  type?: string
  distTags?: Record<string, string>
}

const UNREACHABLE = /^(E(CONN\w+|HOSTUNREACH|HOSTDOWN|NETUNREACH|NETDOWN|TIMEDOUT|AI_AGAIN|NOTFOUND|PIPE|PROTO|SOCKETTIMEOUT|IDLETIMEOUT|RESPONSETIMEOUT|TRANSFERTIMEOUT|INVALIDPROXY\w*)|ERR_SOCKET_TIMEOUT|ENOTCACHED|E5\d\d|E429)$/

const UNWRITABLE = /^E(ACCES|DQUOT|EXIST|NOSPC|NOTDIR|PERM|ROFS)$/

/** Whether an answer that was kept may stand in: the registry was not there to be asked, or not able to answer. */
export function isUnreachable(thrown: unknown): boolean {
  return UNREACHABLE.test((thrown as RegistryFault).code ?? '') || isAborted(thrown)
}

function isAborted(thrown: unknown): boolean {
  const { name, type } = thrown as RegistryFault
  return name === 'AbortError' || name === 'TimeoutError' || type === 'request-timeout' || type === 'body-timeout'
}

/** A fault of the registry in our own words. Its message may hold addresses, and stays behind as the cause. */
export function describeRegistryFault(spec: string, thrown: unknown): BulkheadError {
  if (thrown instanceof BulkheadError) {
    const prefix = 'cannot unpack the archive: '
    if (thrown.message.startsWith('cannot fetch')) return thrown
    const why = thrown.message.startsWith(prefix) ? thrown.message.slice(prefix.length) : thrown.message
    return new BulkheadError(thrown.code, `cannot fetch npm package "${spec}": ${why}`, thrown.details, thrown)
  }
  const { code = 'no archive', distTags } = thrown as RegistryFault
  const name = spec.slice(0, spec.lastIndexOf('@'))
  const range = spec.slice(spec.lastIndexOf('@') + 1)
  if (code === 'E404') return new BulkheadError('NOT_FOUND', `the registry has no npm package "${name}"`, undefined, thrown)
  if (code === 'ETARGET' || code === 'ENOVERSIONS') {
    const latest = distTags?.['latest'] === undefined ? '' : `, the latest is ${distTags['latest']}`
    return new BulkheadError('NOT_FOUND', `npm package "${name}" has no version "${range}"${latest}`, undefined, thrown)
  }
  if (isAborted(thrown)) return failed('UNAVAILABLE', spec, 'the registry takes too long', thrown)
  if (isUnreachable(thrown)) return failed('UNAVAILABLE', spec, `the registry cannot be reached (${code})`, thrown)
  if (UNWRITABLE.test(code)) return failed('STORE_FAILED', spec, `there is no place on this disk to keep it (${code})`, thrown)
  if (code === 'EINTEGRITY') return failed('INVALID', spec, 'what the registry sent has another hash than it lists', thrown)
  if (/^E4\d\d$/.test(code)) return failed('UNAVAILABLE', spec, `the registry refuses to give it out (${code.slice(1)})`, thrown)
  if (code.startsWith('EALLOW')) return failed('INVALID', spec, 'the registry names an archive that is not its own', thrown)
  return failed('INVALID', spec, `what the registry sent makes no sense (${code})`, thrown)
}

function failed(code: 'INVALID' | 'UNAVAILABLE' | 'STORE_FAILED', spec: string, why: string, cause: unknown): BulkheadError {
  return new BulkheadError(code, `cannot fetch npm package "${spec}": ${why}`, undefined, cause)
}
