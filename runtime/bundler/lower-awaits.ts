import { build } from 'esbuild'

/**
 * Makes a script say by `then` what it says by `await`, so that what stands between an awaited promise and its waiter
 * can be replaced: an isolate has no hook for that, and AsyncLocalStorage needs one. See bridge/node/async-hooks.guest.ts.
 *
 * @param output a script of one expression, and its source map
 * @returns the same; esbuild's helpers stand before the expression, in a function of its own
 */
export async function lowerAwaits({ code, map }: { code: string; map: string }): Promise<{ code: string; map: string }> {
  const inline = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`
  // Not by `transform`, which hands over what is large in a file, and esbuild opens none.
  const { outputFiles } = await build({
    stdin: { contents: `__bulkhead_take(${code.trimEnd()})\n${inline}`, sourcefile: 'bulkhead:bundle', loader: 'js' },
    bundle: false,
    write: false,
    outfile: 'bundle.js',
    tsconfigRaw: '{}',
    target: 'esnext',
    supported: { 'async-await': false, 'async-generator': false, 'for-await': false },
    charset: 'utf8',
    sourcemap: 'external',
    legalComments: 'none',
    logLevel: 'silent',
  })
  const textOf = (ending: string) => outputFiles.find((file) => file.path.endsWith(ending))?.text ?? ''
  const { mappings, ...rest } = JSON.parse(textOf('.map')) as { mappings: string }
  return {
    code: `(() => { let taken; const __bulkhead_take = (script) => { taken = script };\n${textOf('.js')}\nreturn taken })()`,
    map: JSON.stringify({ ...rest, mappings: `;${mappings}` }),
  }
}
