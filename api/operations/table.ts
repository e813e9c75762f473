import type { Operation } from '../operation.ts'
import * as audit from './audit.ts'
import * as api from './api.ts'
import * as backup from './backup.ts'
import * as config from './config.ts'
import * as events from './events.ts'
import * as data from './data.ts'
import * as database from './database.ts'
import * as extractions from './extractions.ts'
import * as hooks from './hooks.ts'
import * as install from './install.ts'
import * as keys from './keys.ts'
import * as logs from './logs.ts'
import * as modules from './modules.ts'
import * as permissions from './permissions.ts'
import * as progress from './progress.ts'
import * as removal from './removal.ts'
import * as roles from './roles.ts'
import * as streams from './streams.ts'
import * as system from './system.ts'
import * as versions from './versions.ts'

/** Everything the product can be asked to do. What is not in this table cannot be reached. */
export const operations: readonly Operation[] = [
  modules.list,
  modules.get,
  modules.disable,
  modules.enable,
  modules.reload,
  modules.restart,
  modules.health,
  install.install,
  install.upload,
  install.validate,
  install.upgrade,
  versions.list,
  versions.get,
  versions.diff,
  versions.rollback,
  versions.pin,
  versions.unpin,
  removal.remove,
  removal.purge,
  config.get,
  config.list,
  config.set,
  config.unset,
  config.validate,
  config.validateAll,
  config.history,
  config.diff,
  config.rollback,
  config.exported,
  config.imported,
  config.env,
  permissions.list,
  permissions.check,
  permissions.revoke,
  permissions.grant,
  permissions.audit,
  hooks.list,
  hooks.execute,
  hooks.traces,
  events.dead,
  events.retry,
  extractions.list,
  logs.list,
  database.status,
  database.schema,
  database.migrate,
  database.rollback,
  database.query,
  progress.get,
  api.list,
  data.exported,
  data.imported,
  data.clean,
  data.validate,
  keys.list,
  keys.generate,
  keys.rotate,
  keys.revoke,
  keys.usage,
  keys.whoami,
  roles.list,
  roles.set,
  roles.remove,
  audit.list,
  system.status,
  system.health,
  system.restart,
  backup.backup,
  backup.restore,
  system.logs,
  system.metrics,
  streams.events,
  streams.logs,
]
