import { shapeInterface, toText } from './interface.guest.ts'

// Web IDL, 2.8.1 (the names) and 3.14.1 (DOMException). As Deno has it, an instance has a stack.
const CODES: Readonly<Record<string, number>> = {
  IndexSizeError: 1,
  HierarchyRequestError: 3,
  WrongDocumentError: 4,
  InvalidCharacterError: 5,
  NoModificationAllowedError: 7,
  NotFoundError: 8,
  NotSupportedError: 9,
  InUseAttributeError: 10,
  InvalidStateError: 11,
  SyntaxError: 12,
  InvalidModificationError: 13,
  NamespaceError: 14,
  InvalidAccessError: 15,
  TypeMismatchError: 17,
  SecurityError: 18,
  NetworkError: 19,
  AbortError: 20,
  URLMismatchError: 21,
  QuotaExceededError: 22,
  TimeoutError: 23,
  InvalidNodeTypeError: 24,
  DataCloneError: 25,
}
const CONSTANTS: Readonly<Record<string, number>> = {
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
}

type Captures = typeof Error & { captureStackTrace(target: object, from?: unknown): void }

export class DOMException {
  readonly #message: string
  readonly #name: string
  readonly #code: number
  declare stack?: string

  constructor(message: unknown = '', options: unknown = 'Error') {
    this.#message = toText(message, "Failed to construct 'DOMException': Argument 1")
    const named = typeof options === 'object' && options !== null ? (options as { name?: unknown; cause?: unknown }) : undefined
    this.#name = named ? toText(named.name ?? 'Error') : toText(options, "Failed to construct 'DOMException': Argument 2")
    this.#code = Object.hasOwn(CODES, this.#name) ? (CODES[this.#name] as number) : 0
    if (named && 'cause' in named) Object.defineProperty(this, 'cause', { value: named.cause, configurable: true, writable: true })
    ;(Error as Captures).captureStackTrace(this, new.target)
  }

  get message(): string {
    return this.#message
  }

  get name(): string {
    return this.#name
  }

  get code(): number {
    return this.#code
  }

  static isOne(value: unknown): value is DOMException {
    return typeof value === 'object' && value !== null && #message in value
  }
}

/** Whether a value is a DOMException, of whatever prototype by now. */
export const isDOMException = DOMException.isOne
Reflect.deleteProperty(DOMException, 'isOne')
Object.setPrototypeOf(DOMException.prototype, Error.prototype)
shapeInterface(DOMException, CONSTANTS)
Object.defineProperty(DOMException, 'length', { value: 0 })

/** Streams and storage: what a quota refused, and how much of it there is. */
export class QuotaExceededError extends DOMException {
  readonly #quota: number | null
  readonly #requested: number | null

  constructor(message: unknown = '', options: { quota?: number; requested?: number } = {}) {
    super(message, 'QuotaExceededError')
    this.#quota = options.quota ?? null
    this.#requested = options.requested ?? null
  }

  get quota(): number | null {
    return this.#quota
  }

  get requested(): number | null {
    return this.#requested
  }
}
shapeInterface(QuotaExceededError)
Object.defineProperty(QuotaExceededError, 'length', { value: 0 })
