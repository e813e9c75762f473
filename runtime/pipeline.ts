import type { HookData, HookResult } from '../sdk/context.ts'
import { asBulkheadError, type BulkheadError, type ErrorCode, type LimitDetails, limitOf } from '../bridge/errors.ts'
import type { Wire } from './context.ts'
import type { Said } from './steps.ts'
import type { Trace } from './trace.ts'
import type { Verdict } from './verdict.ts'

export type Context = Wire<HookData>
export type Modifications = NonNullable<HookResult['modifications']>

export interface Extraction {
  module: string
  type: string
  data: Record<string, unknown>
}

/** One module's say on a hook. */
export interface Step {
  readonly module: string
  readonly version: string
  /** Whether its verdict counts; the others are told and not waited for. */
  readonly blocking: boolean
  /** What its failure means: the call goes on without it, or is blocked. */
  readonly failure: 'open' | 'closed'
  run(context: Context): Promise<Said>
}

/** What a hook's modules said together. */
export interface HookOutcome {
  action: 'continue' | 'block'
  modifications?: Modifications
  reason?: string
  directResponse?: string
  blockedBy?: string
  extractions: Extraction[]
  failures: Array<{ module: string; code: ErrorCode; message: string; details?: LimitDetails }>
  /** What each module did, where the caller asked for it. */
  trace?: Trace
  /** Set where the hook is an event: it is stored under this id, and its modules are told. */
  event?: { id: string }
}

/**
 * Asks the modules of a hook in order. Modifications accumulate, the first block ends it, a skip has no effect, and
 * a failure is what the module's manifest says it is (RC section 4, and the failure policy of the manifest).
 */
export async function runPipeline(steps: readonly Step[], context: Context, onLateFailure: (module: string, error: BulkheadError) => void): Promise<HookOutcome> {
  const extractions: Extraction[] = []
  const failures: HookOutcome['failures'] = []
  let modifications: Modifications = {}

  for (const step of steps) {
    if (!step.blocking) {
      step.run(context).catch((thrown: unknown) => onLateFailure(step.module, asBulkheadError(thrown)))
      continue
    }
    try {
      const { verdict, extractions: kept } = await step.run(context)
      extractions.push(...kept.map((extraction) => ({ module: step.module, ...extraction })))
      if (verdict.action === 'block') return { ...blockOf(verdict), blockedBy: step.module, extractions, failures }
      if (verdict.action === 'skip' || !verdict.modifications) continue
      modifications = merge(modifications, verdict.modifications)
      context = applyModifications(context, verdict.modifications)
    } catch (thrown) {
      const error = asBulkheadError(thrown)
      const reached = limitOf(error)
      failures.push({ module: step.module, code: error.code, message: error.message, ...(reached && { details: reached }) })
      if (step.failure === 'closed') {
        return { action: 'block', reason: 'module_failed', blockedBy: step.module, extractions, failures }
      }
    }
  }
  return {
    action: 'continue',
    ...(Object.keys(modifications).length > 0 ? { modifications: finished(modifications, context) } : {}),
    extractions,
    failures,
  }
}

function blockOf({ reason, directResponse }: Verdict): Pick<HookOutcome, 'action' | 'reason' | 'directResponse'> {
  return {
    action: 'block',
    ...(reason === undefined ? {} : { reason }),
    ...(directResponse === undefined ? {} : { directResponse }),
  }
}

/** The context as the next module sees it. */
function applyModifications(context: Context, { message, response, input, output }: Modifications): Context {
  return {
    ...context,
    ...(message && context.message ? { message: { ...context.message, ...message } } : {}),
    ...(response === undefined ? {} : { response }),
    ...(input ? { input: { ...context.input, ...input } } : {}),
    ...(output ? { output: { ...context.output, ...output } } : {}),
  }
}

function merge(earlier: Modifications, later: Modifications): Modifications {
  const additions = [...(earlier.systemPromptAdditions ?? []), ...(later.systemPromptAdditions ?? [])]
  return { ...earlier, ...later, ...(additions.length > 0 ? { systemPromptAdditions: additions } : {}) }
}

/** What was touched, each field as the last module left it. */
function finished(touched: Modifications, { message, response, input, output }: Context): Modifications {
  return {
    ...(touched.message ? { message: message ?? touched.message } : {}),
    ...(touched.response === undefined || response === undefined ? {} : { response }),
    ...(touched.input && input ? { input } : {}),
    ...(touched.output && output ? { output } : {}),
    ...(touched.systemPromptAdditions ? { systemPromptAdditions: touched.systemPromptAdditions } : {}),
  }
}
