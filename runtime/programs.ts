import { mkdir, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build, type BuildOptions } from 'esbuild'
import { sha256 } from './artifacts.ts'
import type { BridgeText } from './cell/isolate.ts'
import { buildChunks } from './program-chunks.ts'

/** What runs in a cell: the program of the process, and the script that every isolate's snapshot is made from. */
export interface Programs {
  /** File that node runs; next to isolated-vm it is all that a cell may read. */
  cellFile: string
  /** A BridgeText as JSON. */
  bridge: string
}

const here = dirname(fileURLToPath(import.meta.url))

/**
 * Bundles both programs. One file starts a cell in half the time that loading and stripping a dozen modules takes
 * (73 against 142 ms to the first answer, 2 cores), and lets the cell's permissions name that file alone.
 */
export async function buildPrograms(cacheFolder: string): Promise<Programs> {
  const isolatedVm = pathToFileURL(createRequire(import.meta.url).resolve('isolated-vm')).href
  const [cell, snapshot, chunks] = await Promise.all([
    bundle(join(here, 'cell/entry.ts'), {
      format: 'esm',
      platform: 'node',
      plugins: [
        {
          name: 'isolated-vm',
          setup: ({ onResolve }) => onResolve({ filter: /^isolated-vm$/ }, () => ({ path: isolatedVm, external: true })),
        },
      ],
    }),
    bundle(join(here, '../bridge/main.guest.ts'), { format: 'iife', platform: 'neutral' }),
    buildChunks(),
  ])
  const folder = resolve(cacheFolder)
  const cellFile = join(folder, `cell-${sha256(cell).slice(0, 16)}.mjs`)
  await mkdir(folder, { recursive: true })
  const draft = `${cellFile}.${process.pid}`
  await writeFile(draft, cell)
  await rename(draft, cellFile)
  return { cellFile, bridge: JSON.stringify({ snapshot, chunks } satisfies BridgeText) }
}

async function bundle(entry: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, write: false, target: 'esnext', ...options })
  const [output] = outputFiles ?? []
  if (!output) throw new Error(`no output for ${entry}`)
  return output.text
}
