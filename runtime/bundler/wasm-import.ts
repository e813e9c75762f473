import { SourceError } from '../sources.ts'

interface Binary {
  imports(module: object): { module: string }[]
  exports(module: object): { name: string }[]
  new (content: Uint8Array): object
}
const { Module } = (globalThis as unknown as { WebAssembly: { Module: Binary } }).WebAssembly

/**
 * A module of JavaScript in the place of one of WebAssembly: it imports what the binary imports, and exports what it
 * exports (the ESM integration proposal). The binary itself it imports as bytes.
 *
 * @throws SourceError where the file is no WebAssembly
 */
export function wasmSource(path: string, content: Uint8Array): string {
  const module = compiled(path, content)
  const from = [...new Set(Module.imports(module).map(({ module: name }) => name))]
  const names = Module.exports(module).map(({ name }) => name)
  const own = JSON.stringify(`./${path.slice(path.lastIndexOf('/') + 1)}`)
  return [
    ...from.map((name, index) => `import * as import${index} from ${JSON.stringify(name)}`),
    `import bytes from ${own} with { type: "bytes" }`,
    `const imports = { ${from.map((name, index) => `${JSON.stringify(name)}: import${index}`).join(', ')} }`,
    'const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports)',
    ...names.map((name, index) => `const export${index} = exports[${JSON.stringify(name)}]`),
    `export { ${names.map((name, index) => `export${index} as ${JSON.stringify(name)}`).join(', ')} }`,
  ].join('\n')
}

function compiled(path: string, content: Uint8Array): object {
  try {
    return new Module(content)
  } catch {
    throw new SourceError(`"${path}" is no WebAssembly`)
  }
}
