// The public surface of the SDK, which re-exports, as testing.ts does; nothing else of the project does.
export {
  defineModule,
  type Envelope,
  type Health,
  type HookHandlers,
  type LoadedModule,
  type ModuleDefinition,
  type Powers,
} from './define.ts'
export type { HookContexts, HookName } from './hooks.ts'
export { configFrom, type FromSchema } from './schema.ts'
export type {
  Kv, KvAtomic, KvCommitResult, KvEntry, KvEntryMaybe, KvKey, KvKeyPart, KvListIterator, KvListOptions, KvListSelector, KvU64,
} from './kv.ts'
export type { ExtractionReads, KeptExtraction } from './extractions.ts'
export type { ModuleSql, SqlRows, SqlTag, SqlTransaction, SqlValue } from './sql.ts'
export type { Data, HookContext, HookData, HookResult, Json, Log, Message } from './context.ts'
export {
  containsPattern,
  getRecentMessages,
  getSessionDuration,
  getUserMessageCount,
  isFirstMessage,
  isStudent,
  isTeacher,
  redactPatterns,
} from './helpers.ts'
export type { Messages, Remote } from './messages.ts'
