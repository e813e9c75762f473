/** The classes of `Deno.errors`, in Deno's order. They are in the snapshot: what the host refuses arrives as one of them. */
const NAMES = [
  'NotFound', 'PermissionDenied', 'ConnectionRefused', 'ConnectionReset', 'ConnectionAborted', 'NotConnected', 'AddrInUse',
  'AddrNotAvailable', 'BrokenPipe', 'AlreadyExists', 'InvalidData', 'TimedOut', 'Interrupted', 'WriteZero', 'WouldBlock',
  'UnexpectedEof', 'BadResource', 'Http', 'Busy', 'NotSupported', 'FilesystemLoop', 'IsADirectory', 'NetworkUnreachable',
  'NotADirectory', 'NotCapable',
] as const

export type DenoErrorName = (typeof NAMES)[number]
export type DenoErrorClass = new (message?: string, options?: ErrorOptions) => Error

const ErrorOf = Error

function errorClass(name: string): DenoErrorClass {
  const holder = {
    [name]: class extends ErrorOf {
      constructor(message?: string, options?: ErrorOptions) {
        super(message, options)
        this.name = name
      }
    },
  }
  return holder[name] as DenoErrorClass
}

export const denoErrors = Object.fromEntries(NAMES.map((name) => [name, errorClass(name)])) as Record<DenoErrorName, DenoErrorClass>

// The module may replace the members of `Deno.errors`; the bridge goes on with these.
const classes = new Map<string, DenoErrorClass>(Object.entries(denoErrors))
const find = Map.prototype.get.bind(classes) as (name: string) => DenoErrorClass | undefined

/** The class of that name, `Error` where `Deno.errors` has none of it. */
export function errorClassOf(name: string): DenoErrorClass {
  return find(name) ?? ErrorOf
}

/** What a call fails with that there is no way to serve here. */
export function notSupported(api: string, why: string): Error {
  return new denoErrors.NotSupported(`cannot use ${api}, ${why}`)
}

const FAULTS = {
  ENOENT: ['NotFound', 'No such file or directory (os error 2)'],
  EISDIR: ['IsADirectory', 'Is a directory (os error 21)'],
  EEXIST: ['AlreadyExists', 'File exists (os error 17)'],
  ENOTDIR: ['NotADirectory', 'Not a directory (os error 20)'],
  ENOTEMPTY: ['Error', 'Directory not empty (os error 39)'],
  EBADF: ['Error', 'Bad file descriptor (os error 9)'],
  EINVAL: ['Error', 'Invalid argument (os error 22)'],
  EROFS: ['Error', 'Read-only file system (os error 30)'],
  ENOSPC: ['Error', 'No space left on device (os error 28)'],
} as const

export type FaultCode = keyof typeof FAULTS

/** A fault of a file as Deno words it. @example fileError('ENOENT', "open '/tmp/a'") */
export function fileError(code: FaultCode, doing: string): Error {
  const [name, why] = FAULTS[code]
  const error = new (errorClassOf(name))(doing ? `${why}: ${doing}` : why)
  return Object.assign(error, { code })
}
