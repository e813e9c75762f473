import type { ErrorText } from '../bridge/errors.ts'
import type { ModuleFault } from './validate.ts'
import type { Origin } from './store/version-rows.ts'

/** What installing a module does, or would do. */
export interface InstallReport {
  module: string
  version: string
  /** SHA-256 of its files: what is known by it is the same version. */
  hash: string
  /** The version's number; null for one that is not kept, as after a dry run. */
  number: number | null
  origin: Origin
  /**
   * `running`: it serves. `unchanged`: it had been already. `waiting`: it comes up once somebody has decided about what
   * it asks for, or has configured it as it needs. `off`: it comes up once the module is enabled. `checked`: a dry run has changed nothing.
   */
  outcome: 'running' | 'unchanged' | 'waiting' | 'off' | 'checked'
  /** The version that ran before. */
  replaces: { number: number; version: string } | null
  /** Bytes of its files, and of the code that an isolate is given. */
  bytes: { files: number; code: number }
  permissions: {
    asked: string[]
    /** Beyond the version before. */
    added: string[]
    /** Those that somebody has to decide about before it comes up. */
    undecided: string[]
  }
  /** Migrations that were run, or would be. */
  migrations: string[]
  /** Why it cannot be installed; of one that is installed, none. */
  conflicts: ErrorText[]
  /** What is wrong with it; of one that is installed only what may be different where it runs. */
  faults: ModuleFault[]
}
