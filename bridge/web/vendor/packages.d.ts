// What is used of packages that bring no types, or types that lean on those of a browser.
declare module 'whatwg-url' {
  export class URL {
    constructor(url: string, base?: string | URL)
    static parse(url: string, base?: string | URL): URL | null
    static canParse(url: string, base?: string | URL): boolean
    href: string
    readonly origin: string
    protocol: string
    username: string
    password: string
    host: string
    hostname: string
    port: string
    pathname: string
    search: string
    readonly searchParams: URLSearchParams
    hash: string
    toJSON(): string
  }
  export class URLSearchParams implements Iterable<[string, string]> {
    constructor(init?: string | Record<string, string> | Iterable<readonly [string, string]>)
    readonly size: number
    append(name: string, value: string): void
    get(name: string): string | null
    getAll(name: string): string[]
    entries(): IterableIterator<[string, string]>
    [Symbol.iterator](): IterableIterator<[string, string]>
    toString(): string
  }
  /** The record of the URL Standard, 4.1. */
  export interface UrlRecord {
    scheme: string
    username: string
    password: string
    host: string | number | number[] | null
    port: number | null
    path: string[] | string
    query: string | null
    fragment: string | null
  }
  export function parseURL(url: string, options: { baseURL: UrlRecord | null }): UrlRecord | null
}

declare module 'whatwg-url/lib/url-state-machine.js' {
  import type { UrlRecord } from 'whatwg-url'
  export function basicURLParse(input: string, options?: { baseURL: UrlRecord | null }): UrlRecord | null
}

declare module 'whatwg-url/lib/URL-impl.js' {
  export const implementation: { readonly prototype: object }
}

declare module 'whatwg-url/lib/URLSearchParams.js' {
  export function createImpl(realm: object, args: [init: string], options: { doNotStripQMark: boolean }): { _url: object | null }
}

declare module 'tr46' {
  export interface TR46Options {
    checkHyphens?: boolean
    verifyDNSLength?: boolean
  }
  export function toASCII(domain: string, options: TR46Options): string | null
  export function toUnicode(domain: string, options: TR46Options): { domain: string; error: boolean }
}
