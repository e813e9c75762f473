import { BulkheadError } from '../bridge/errors.ts'
import type { Data, HookData, HookResult } from '../sdk/context.ts'
import type { Extraction, LogLine } from '../sdk/testing.ts'
import { LONE_ARTIFACTS } from './artifacts.ts'
import { bundleModule } from './bundle.ts'
import { BUILT_IN } from './catalogue.ts'
import { readManifest } from './manifest.ts'
import { didYouMean } from './nearest.ts'
import { runOnce, type RunReport } from './run-once.ts'
import { fixedTerms } from './terms.ts'

/** What one call came to, in the shape of the SDK's `testModule`, with what it used. */
interface ModuleRun {
  result: HookResult
  extractions: Extraction[]
  logs: LogLine[]
  usage: RunReport['usage']
}

/**
 * Calls one hook of a module's folder as a server would: bundled, in an isolate in a cell of its own, under the limits
 * and with the permissions of its manifest. Of the host it has emit and log; there is no database and no other module.
 *
 * @param context what the embedding application says; what is left out is filled in
 * @param config over the defaults of the manifest
 * @throws BulkheadError MANIFEST_INVALID, BUNDLE_FAILED, NOT_FOUND for a hook that the manifest does not name, INVALID
 *   for a context or a configuration that does not fit, and what the execution ends with: LOAD_FAILED, MODULE_FAILED or
 *   the limit that it reached
 * @example
 * const { result } = await runModule('modules/pii-filter', 'chat:before_ai', { message: { content: 'a@example.org' } })
 */
export async function runModule(folder: string, hook: string, context: CallData = {}, config: Data = {}): Promise<ModuleRun> {
  const manifest = await readManifest(folder)
  const hooks: readonly string[] = manifest.hooks
  if (!hooks.includes(hook)) {
    throw new BulkheadError('NOT_FOUND', `cannot call "${hook}" of ${manifest.name}, its manifest does not name it${didYouMean(hook, hooks)}`)
  }
  const terms = fixedTerms(manifest, config)
  const body: unknown = JSON.parse(JSON.stringify(context))
  const call = BUILT_IN.read(hook, body, crypto.randomUUID())
  const artifact = await bundleModule({ folder, name: manifest.name, cache: LONE_ARTIFACTS })
  const logs: LogLine[] = []
  const { verdict, error, extractions, usage } = await runOnce({ manifest, artifact, terms }, call, ({ level, message, data }) => {
    logs.push({ level, message, ...(data !== undefined && { data: JSON.parse(data) as Data }) })
  })
  if (error) throw error
  return { result: verdict as HookResult, extractions: extractions as Extraction[], logs, usage }
}

/** A context of which anything may be left out, with dates given either way, and the fields of events. */
type CallData = DeepPartial<HookData> & Data
type DeepPartial<Value> = Value extends Date ? Date | string : Value extends object ? { [Name in keyof Value]?: DeepPartial<Value[Name]> } : Value
