import type { Manifest } from './manifest.ts'

/** What the operator lets a module ask for at most; a manifest that asks for more gets this. */
export type Maxima = Partial<Manifest['limits']>

const LIMIT_NAMES = ['maxMemoryMB', 'maxCpuMs', 'maxExecutionMs', 'maxConcurrency'] as const satisfies ReadonlyArray<keyof Maxima>

/** A manifest with the limits that hold: its own, capped by the operator's, and no hook's time limit above them. */
export function underMaxima(manifest: Manifest, maxima: Maxima): Manifest {
  const { limits, timeouts } = manifest
  const capped = { ...limits }
  for (const name of LIMIT_NAMES) capped[name] = Math.min(limits[name], maxima[name] ?? Infinity)
  return {
    ...manifest,
    limits: capped,
    timeouts: Object.fromEntries(Object.entries(timeouts).map(([hook, timeoutMs = Infinity]) => [hook, Math.min(timeoutMs, capped.maxExecutionMs)])),
  }
}
