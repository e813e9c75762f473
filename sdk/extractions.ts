import type { Data } from './context.ts'

/** A record that was emitted earlier. */
export interface KeptExtraction {
  id: string
  module: string
  type: string
  data: Data
  sessionId?: string
  userId?: string
  runId?: string
  createdAt: Date
}

/**
 * Records that were emitted earlier: the module's own, with the permission `emit`, `db` or `extractions:read`. With the
 * last one, also those that other modules emitted in the session, or for the user, that the execution is about. The
 * newest 100 that match are given, oldest first, or fewer where their data exceeds 1 MiB.
 *
 * @throws NotCapable without a permission, or for another user than the execution's; InvalidData for wrong arguments
 * @example const episodes = await ctx.db.countExtractions({ type: 'struggle', sessionId: ctx.session?.id })
 */
export interface ExtractionReads {
  getSessionExtractions(sessionId: string): Promise<KeptExtraction[]>
  /** The user has to be the one that the execution is about. */
  getUserExtractions(userId: string, classId?: string): Promise<KeptExtraction[]>
  /** @param options `limit`: from 1 to 1,000 */
  getExtractionsByType(type: string, options?: { sessionId?: string; userId?: string; limit?: number }): Promise<KeptExtraction[]>
  /** Counts up to 100,000; more are counted as that. */
  countExtractions(options?: { type?: string; sessionId?: string; userId?: string; since?: Date }): Promise<number>
}
