import type { Log } from '../runtime/events.ts'
import type { Audit } from '../runtime/store/audit.ts'
import type { Happenings } from '../runtime/store/happenings.ts'
import { moduleOf } from './auth.ts'
import type { Written } from './perform.ts'

/** Keeps who did what, and has the streams tell what was done. What was done stays done where that cannot be kept: then the host's log has it. */
export function auditor(audit: Pick<Audit, 'add'>, happenings: Pick<Happenings, 'add'>, log: Log): (written: Written) => Promise<void> {
  return async ({ operation, asked: { caller, requestId }, status, error, input, before, after }) => {
    const record = {
      key: caller.id,
      keyName: caller.name,
      operation: operation.name,
      module: moduleOf(operation, input) ?? null,
      requestId,
      status,
      error: error?.code ?? null,
      input,
      before,
      after,
    }
    if (!error) happenings.add('operation:done', record.module, { operation: operation.name, key: caller.name, requestId })
    try {
      await audit.add(record)
    } catch (thrown) {
      log.error({ record, error: (thrown as Error).message }, 'cannot keep who did what')
    }
  }
}
