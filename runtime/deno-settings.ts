import type { DenoSettings, Handlers } from '../bridge/contract.ts'
import type { Version } from './instance.ts'
import { readModuleFiles } from './module-files.ts'

/** How `Deno` looks to a version beyond what its manifest says. */
export interface DenoOptions {
  /** Behind the file's name on the command line. */
  args?: readonly string[]
  /** The entry file, relative to the folder. */
  entry?: string
  /** Whether it may read its own folder; installed modules may. */
  read?: boolean
  /** Whether all that the environment has was granted, so that a name it has not is no violation. */
  allEnv?: boolean
  /** Where its files lie; that of the version unless given. */
  folder?: string
}

/** Code that never says the name cannot come to the folder's files by it. */
const NAMES_DENO = /\bDeno\b/

// A version that is placed again has the files that it had.
const lentTo = new WeakMap<Version, Promise<string>>()

/** What the isolate is told of it. */
export async function denoSettings(version: Version): Promise<DenoSettings> {
  const { manifest, artifact, source, deno = {} } = version
  const { args = [], entry = 'index.ts', read = true, allEnv = false, folder = source?.folder } = deno
  const home = `/${manifest.name}`
  const settings = { args: [...args], home, mainModule: `file://${home}/${entry}`, read, allEnv }
  if (folder === undefined || !read || !NAMES_DENO.test(artifact.code)) return settings
  const files = lentTo.get(version) ?? readModuleFiles(folder).then((lent) => JSON.stringify(lent))
  lentTo.set(version, files)
  return { ...settings, files: await files }
}

/** As many jobs one module may register. */
const MAX_CRONS = 100

/** What a cell reports of a module's server, its jobs and its exit code; hostile, so only what has the right shape is taken. */
export function readServing(report: Partial<Record<keyof Handlers, unknown>> | null): Pick<Handlers, 'fetch' | 'listen' | 'crons' | 'exit'> {
  const { port, hostname, told } = (report?.listen ?? {}) as Record<string, unknown>
  const isListen = Number.isInteger(port) && (port as number) >= 0 && (port as number) < 65_536 && typeof hostname === 'string'
  const crons = Array.isArray(report?.crons) ? report.crons.slice(0, MAX_CRONS) : []
  return {
    fetch: report?.fetch === true,
    ...(isListen && { listen: { port: port as number, hostname: hostname.slice(0, 255), told: told === true } }),
    crons: crons.flatMap((job: unknown) => {
      const { name, schedule } = Object(job) as Record<string, unknown>
      return typeof name === 'string' && typeof schedule === 'string' ? [{ name: name.slice(0, 64), schedule: schedule.slice(0, 200) }] : []
    }),
    exit: Number.isInteger(report?.exit) ? (report?.exit as number) & 0xff : 0,
  }
}
