import type { TransactionSql } from 'postgres'

const LOCK = 0x62756c6b_0005

/**
 * Taken by whoever changes configuration or grants, until its transaction ends: numbers of changes then become visible
 * in their order, so that a host which has seen one has seen all before it.
 */
export async function lockChanges(tx: TransactionSql): Promise<void> {
  await tx`select pg_advisory_xact_lock(${LOCK})`
}
