import { asBulkheadError, type ErrorCode } from '../bridge/errors.ts'
import type { Context, Modifications, Step } from './pipeline.ts'
import type { Verdict } from './verdict.ts'

/** One field that a module changed. What it held is the user's own and is not told. */
export interface Change {
  /** @example 'message.content' */
  field: string
  /** Characters, of the value's JSON where it is no text; 0 where there was none. */
  before: number
  after: number
}

/** What one module did in a call. */
export interface TracedStep {
  module: string
  version: string
  /** Whether the call waited for it. */
  waited: boolean
  /** `told` for one that is not waited for and has not answered yet, `failed` with the error's code. */
  outcome: Verdict['action'] | 'told' | 'failed'
  code?: ErrorCode
  /** As the call saw it: waiting for a turn is part of it. */
  wallMs: number
  cpuMs?: number
  /** Capability calls, records and log lines among them. */
  calls?: number
  execution?: string
  changes: Change[]
}

/** What the modules of a hook did in one call. */
export interface Trace {
  requestId: string
  hook: string
  startedAt: string
  steps: TracedStep[]
}

/** The latest traces. They live in this process alone. */
export interface Traces {
  /** The steps, each of which notes in the trace what it does. */
  follow(context: Context, steps: readonly Step[]): { trace: Trace; steps: Step[] }
  /** Those of a request, oldest first. */
  of(requestId: string): Trace[]
}

const KEPT = 1_000
/** Fields of input or output that a trace names. */
const MAX_CHANGES = 50

/** @param kept how many traces there are at most; the oldest goes first */
export function openTraces(kept: number = KEPT): Traces {
  const ring: Trace[] = []
  let next = 0
  return {
    follow(context, steps) {
      const trace: Trace = { requestId: context.requestId, hook: context.hook, startedAt: new Date().toISOString(), steps: [] }
      ring[next] = trace
      next = (next + 1) % kept
      return { trace, steps: steps.map((step) => traced(step, trace)) }
    },
    of: (requestId) => [...ring.slice(next), ...ring.slice(0, next)].filter((trace) => trace.requestId === requestId),
  }
}

function traced(step: Step, trace: Trace): Step {
  return {
    ...step,
    async run(context) {
      const { module, version, blocking } = step
      const noted: TracedStep = { module, version, waited: blocking, outcome: 'told', wallMs: 0, changes: [] }
      trace.steps.push(noted)
      const start = performance.now()
      try {
        const said = await step.run(context)
        const { verdict, usage, execution } = said
        const changes = blocking && verdict.action === 'continue' ? changesOf(context, verdict.modifications ?? {}) : []
        Object.assign(noted, { outcome: verdict.action, cpuMs: usage.cpuMs, calls: usage.calls, execution, changes })
        return said
      } catch (thrown) {
        Object.assign(noted, { outcome: 'failed', code: asBulkheadError(thrown).code })
        throw thrown
      } finally {
        noted.wallMs = Math.round((performance.now() - start) * 1000) / 1000
      }
    },
  }
}

function changesOf(context: Context, { message, response, input, output, systemPromptAdditions }: Modifications): Change[] {
  const changes: Change[] = []
  const note = (field: string, before: unknown, after: unknown) => {
    if (before !== after && changes.length < MAX_CHANGES) changes.push({ field, before: sizeOf(before), after: sizeOf(after) })
  }
  const noteEach = (name: string, before: object | undefined, after: object | undefined) => {
    for (const [key, value] of Object.entries(after ?? {})) note(`${name}.${key.slice(0, 100)}`, (before as Record<string, unknown> | undefined)?.[key], value)
  }
  noteEach('message', context.message, message)
  if (response !== undefined) note('response', context.response, response)
  noteEach('input', context.input, input)
  noteEach('output', context.output, output)
  if (systemPromptAdditions?.length) note('systemPromptAdditions', undefined, systemPromptAdditions)
  return changes
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' ? value.length : (JSON.stringify(value)?.length ?? 0)
}
