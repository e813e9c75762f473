/** Where what a bundle imports from elsewhere lies on this disk: fetched by the host, read by the process that bundles. */
export interface Pins {
  /** The version that each `npm:` and `jsr:` request means, such as `npm:zod@^3` → `zod@3.25.0`. */
  specifiers: Record<string, string>
  npm: Record<string, PinnedPackage>
  jsr: Record<string, PinnedJsrPackage>
  /** By address. */
  remote: Record<string, PinnedFile | { redirect: string }>
  /** The folder of the remote files. */
  remoteFolder: string
}

export interface PinnedPackage {
  folder: string
  /** Which package each name means that it may import. */
  dependencies: Record<string, string>
}

export interface PinnedJsrPackage {
  /** The address of its files, with `/` at the end. */
  base: string
  exports: Record<string, string>
}

export interface PinnedFile {
  /** Its name in the folder. */
  file: string
  media: Media
}

export type Media = 'ts' | 'tsx' | 'js' | 'jsx' | 'json' | 'wasm' | 'other'

export const NO_PINS: Pins = { specifiers: {}, npm: {}, jsr: {}, remote: {}, remoteFolder: '' }
