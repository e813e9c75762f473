import { illegal, shapeInspection, shapeInterface } from './interface.guest.ts'

/** A key as the cell takes it: nothing of it is kept there. */
export interface KeyText {
  type: 'secret' | 'private' | 'public'
  format: string
  /** Base64. */
  material: string
  algorithm: unknown
  extractable: boolean
  usages: string[]
}

const OWN = Symbol()

let textOf: (key: CryptoKey) => KeyText
let create: (text: KeyText, algorithm: object) => CryptoKey
let isKey: (value: unknown) => value is CryptoKey

/** Web Cryptography, 13. */
export class CryptoKey {
  #text: KeyText
  #algorithm: object
  #usages: string[] | undefined

  static {
    textOf = (key) => key.#text
    isKey = (value): value is CryptoKey => typeof value === 'object' && value !== null && #text in value
    create = (text, algorithm) => new CryptoKey(OWN, text, algorithm)
  }

  constructor(own?: unknown, text?: KeyText, algorithm?: object) {
    if (own !== OWN || !text || !algorithm) throw illegal()
    this.#text = text
    this.#algorithm = algorithm
  }

  get type(): string {
    return this.#text.type
  }

  get extractable(): boolean {
    return this.#text.extractable
  }

  get algorithm(): object {
    return this.#algorithm
  }

  get usages(): string[] {
    return (this.#usages ??= [...this.#text.usages])
  }
}
shapeInterface(CryptoKey)
Object.defineProperty(CryptoKey, 'length', { value: 0, configurable: true })
shapeInspection(CryptoKey, ['type', 'extractable', 'algorithm', 'usages'])

export { textOf as keyText, create as keyFrom, isKey }
