import { nodeError } from './host.guest.ts'

/** All code of a module is put together when it is installed: a path that is not written out cannot be required. */
export function createRequire(_from: unknown): (specifier: string) => never {
  const require = (specifier: string): never => {
    throw nodeError(Error, 'MODULE_NOT_FOUND', `Cannot find module '${specifier}'`)
  }
  return Object.assign(require, { resolve: require, cache: {}, main: undefined })
}
export const builtinModules: string[] = []
export const isBuiltin = (specifier: string): boolean => specifier.startsWith('node:')
export default { createRequire, builtinModules, isBuiltin }
