import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { dbCapabilities } from '../bridge/db.host.ts'
import { emitCapability } from '../bridge/emit.host.ts'
import { BulkheadError } from '../bridge/errors.ts'
import { extractionCapabilities } from '../bridge/extractions.host.ts'
import { kvCapabilities } from '../bridge/kv.host.ts'
import { logCapability } from '../bridge/log.host.ts'
import { netCapabilities } from '../bridge/net.host.ts'
import { httpCapabilities } from '../bridge/http.host.ts'
import { websocketCapabilities } from '../bridge/websocket.host.ts'
import { violationCapability } from '../bridge/violation.host.ts'
import { callCapability, publishCapability } from '../bridge/messages.host.ts'
import { type Backups, openBackups } from './backup/control.ts'
import { stopBundler } from './bundle.ts'
import { type HookDeclaration, openCatalogue } from './catalogue.ts'
import { type Cells, openCells } from './cells.ts'
import { type ConfigControl, openConfigControl } from './config-control.ts'
import { type EventPolicy, openDeliveries } from './deliveries.ts'
import { type Decisions, type DecisionsOptions, openDecisions } from './decisions.ts'
import { type Log, logEvent, type Tell } from './events.ts'
import type { Executed } from './executed.ts'
import { openExchange } from './exchange.ts'
import type { Hook } from './hooks.ts'
import type { Manifest } from './manifest.ts'
import { type DataControl, openDataControl } from './data/control.ts'
import { openInstaller } from './install.ts'
import { openLend } from './lend/lend.ts'
import { openModuleMigrations } from './lend/module-migrations.ts'
import type { ImportSources } from './loading/gathering.ts'
import { openMaking } from './made.ts'
import type { Maxima } from './maxima.ts'
import type { ModuleStatus } from './module-status.ts'
import { type ModuleHttp, openModuleHttp } from './module-http.ts'
import { type ModuleHealth, openModules } from './modules.ts'
import { createNamedTurns } from './named-turns.ts'
import { openOrigins } from './origins.ts'
import { openPackages } from './packages.ts'
import { type Context, type HookOutcome, runPipeline } from './pipeline.ts'
import { openPermissionControl, type PermissionControl } from './permission-control.ts'
import { buildPrograms } from './programs.ts'
import { randomId } from './random-id.ts'
import { openRemoval } from './removal.ts'
import { stepsOf, subscribersOf, tellOf } from './steps.ts'
import type { Database } from './store/database.ts'
import { type DeadLetter, type DeadLetterQuery, retryDead, selectDead } from './store/dead-letters.ts'
import { openExtractionReads } from './store/extraction-reads.ts'
import { type Happenings, openHappenings } from './store/happenings.ts'
import { openKeyValues } from './store/kv.ts'
import { keepRetention, RETENTION, type RetentionPolicy } from './store/retention.ts'
import { openJobRuns } from './store/job-runs.ts'
import { type LogTail, tailLogs } from './store/log-tail.ts'
import { openModuleStates } from './store/module-states.ts'
import type { Page } from './store/pages.ts'
import { openVersionRows } from './store/version-rows.ts'
import { openRecords, type Records } from './store/records.ts'
import { openSystem, type System } from './system.ts'
import { openTraces, type Trace } from './trace.ts'
import { openVersionControl, type VersionControl } from './version-control.ts'
import { openVersions } from './versions.ts'
import { watchFolders } from './watch.ts'
import { within } from './within.ts'

export interface Runtime extends AsyncDisposable {
  modules(): ModuleStatus[]
  /** @throws NOT_FOUND with the nearest name */
  module(name: string): ModuleStatus
  enable(name: string): Promise<ModuleStatus>
  disable(name: string): Promise<ModuleStatus>
  /** Reads the module's folder again; where the new version does not load, the old one stays and this throws. */
  reload(name: string): Promise<ModuleStatus>
  /** Brings the version that runs up once more, and switches to it. @throws NOT_FOUND, CONFLICT where none does */
  restart(name: string): Promise<ModuleStatus>
  /** Asks a module whether it is well. @throws NOT_FOUND */
  health(name: string): Promise<ModuleHealth>
  /**
   * Asks the modules of a pipeline in order, or stores an event that its modules are then told of.
   *
   * @param body the context as JSON has it; what is left out of it is filled in
   * @throws NOT_FOUND for an unknown hook, with the nearest known one; INVALID with every fault of the context;
   * UNAVAILABLE while stopping; STORE_FAILED where an event could not be stored
   * @example await runtime.executeHook('chat:before_ai', { message: { content: 'hi' } })
   */
  executeHook(hook: string, body: unknown, options?: CallOptions): Promise<HookOutcome>
  /** What modules did in the latest calls with a request's id, oldest first. */
  traces(requestId: string): Trace[]
  /** Events that modules could not be told of, newest first. @throws BAD_REQUEST, STORE_FAILED */
  deadLetters(query: DeadLetterQuery): Promise<Page<DeadLetter>>
  /** Has them delivered again: those of one event, one module or one hook, or all. Answers with how many. */
  retryEvents(which: Parameters<typeof retryDead>[1]): Promise<number>
  /** The hooks that there are, and the modules of each: of a pipeline in the order in which they are asked. */
  hooks(): Array<Hook & { name: string; context: object; modules: string[] }>
  /** Whether it answers hooks. */
  ready(): boolean
  /** @returns a function that ends it */
  subscribe(listener: Tell): () => void
  /** Told of every execution once it has ended. @returns a function that ends it */
  onExecuted(observer: (report: Executed) => void): () => void
  readonly records: Records
  /** Follows what modules log, on all hosts. */
  tailLogs(query: Parameters<typeof tailLogs>[1]): LogTail
  /** What happened to modules and cells, and what was decided, on all hosts. */
  readonly happenings: Happenings
  /** The host and its cells. */
  readonly system: System
  /** How modules are configured, by scope. */
  readonly config: ConfigControl
  /** What modules may do, and what they tried beyond it. */
  readonly permissions: PermissionControl
  /** What an operator may do with the database and what modules keep in it. */
  readonly data: DataControl
  /** All that is kept, taken out and put into another installation. */
  readonly backups: Backups
  /** Versions of modules: installed, replaced, compared, gone back to, removed. */
  readonly versions: VersionControl
  /** Requests that modules answer. */
  readonly http: ModuleHttp
}

export interface CallOptions {
  /** Used where the context names none. */
  requestId?: string
  /** Has the answer tell what each module did. */
  trace?: boolean
}

export interface RuntimeOptions extends DecisionsOptions {
  /** Folder whose folders are modules. */
  modules: string
  /** Follows what changes in that folder while it runs. */
  watch?: boolean
  /** Folder for what may be made again: bundles and programs. */
  data: string
  /** Cells that modules share; shipped ones and installed ones never share one. */
  cells: number
  /** Hooks of the embedding application, beside those that are built in. */
  hooks?: Readonly<Record<string, HookDeclaration>>
  /** How often a module is told of an event that it fails on: 10 attempts, the second after 1 s, unless given. */
  events?: Partial<EventPolicy>
  database: Database
  /** An HTTP proxy through which modules reach the network, `http://user:password@host:port`. */
  proxy?: string | undefined
  /** How long records are kept: log lines for 7 days, extractions for ever, unless given. */
  retention?: Partial<RetentionPolicy>
  log: Log
  /** The address of an npm registry; without it npm's own. */
  npmRegistry?: string | undefined
  /** The file of the key with which git fetches over ssh; without it ssh is refused. */
  gitKey?: string | undefined
  /** Where else imports of modules come from; without it from the public registries alone. */
  imports?: ImportSources
  /** What a module may ask for at most. */
  limits?: Maxima
  /** Told of everything, from the start on. */
  onEvent?: Tell
}

/** How long what runs may run on when the runtime stops, and how long modules may take to stop, ms: a host has 10 s. */
const DRAIN_MS = 1_500
const STOP_MS = 1_500

/**
 * Finds the modules of a folder, places each in a cell, and answers hooks with them until it is disposed.
 *
 * @example
 * await using runtime = await startRuntime({ modules: 'modules', data: '.bulkhead', cells: 2, database, log })
 * const outcome = await runtime.executeHook('chat:before_ai', context)
 */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { database, log } = options
  const catalogue = openCatalogue(options.hooks)
  const traces = openTraces()
  const cache = join(options.data, 'cache')
  const observers = new Set<(report: Executed) => void>()
  const listeners = new Set<Tell>(options.onEvent ? [options.onEvent] : [])
  const running = new Set<Promise<unknown>>()
  let stopping = false

  const tell: Tell = (event) => {
    logEvent(log, event)
    const { type, ...data } = event
    happenings.add(type, 'module' in event ? event.module : null, data)
    for (const listener of listeners) listener(event)
  }
  const track = <Result>(work: Promise<Result>): Promise<Result> => {
    const forget = () => running.delete(settled)
    const settled: Promise<unknown> = work.then(forget, forget)
    running.add(settled)
    return work
  }

  await using opened = new AsyncDisposableStack()
  const records = await openRecords(database.sql, { log })
  opened.defer(() => records.close())
  const retention = { ...RETENTION, ...options.retention }
  opened.defer(keepRetention(database.sql, retention, (dropped, error) => {
    if (error) log.warn({ error: error.message }, 'cannot drop expired records, trying again tomorrow')
    if (dropped.length > 0) log.info({ dropped }, 'expired records were dropped')
  }))
  const happenings = openHappenings(database.sql, { log })
  opened.defer(() => happenings.close())
  const kv = openKeyValues(database.sql, { log })
  opened.defer(() => kv.close())
  const lend = opened.use(openLend(database, { log }))
  const tables = openModuleMigrations({ sql: database.sql, prepare: lend.prepare })
  const extractionReads = openExtractionReads(database.sql)
  opened.defer(() => extractionReads.close())
  const net = opened.use(netCapabilities(options.proxy === undefined ? {} : { proxy: options.proxy }))
  opened.defer(stopBundler)
  const exchange = openExchange((name) => modules.find(name), () => modules.all(), tell)
  const decisions: Decisions = await openDecisions({
    ...options,
    sql: database.sql,
    tell,
    onChange: (module) => void track(modules.refresh(module)).catch(() => {}),
    quarantine: (module, reason) => modules.quarantine(module, reason),
  })
  opened.defer(() => decisions.close())
  const programs = await buildPrograms(cache)
  const cells: Cells = opened.use(
    openCells({
      programs,
      capabilities: {
        emit: emitCapability(records.addExtractions),
        log: logCapability(records.addLogs),
        violation: violationCapability,
        call: callCapability(exchange),
        publish: publishCapability(exchange),
        ...kvCapabilities(kv),
        ...net.capabilities,
        ...httpCapabilities,
        ...websocketCapabilities,
        ...dbCapabilities(lend),
        ...extractionCapabilities(extractionReads),
      },
      perTrust: Math.max(1, Math.ceil(options.cells / 2)),
      threads: availableParallelism(),
      events: {
        fell: (instance, blame, reason) => modules.fell(instance, blame, reason),
        move: (instances) => modules.move(instances),
        executed(report) {
          for (const observer of observers) observer(report)
        },
        tell,
      },
    }),
  )
  const imports: ImportSources = { npmRegistry: options.npmRegistry, ...options.imports }
  const versions = await openVersions(openVersionRows(database.sql), join(cache, 'versions'))
  const making = openMaking({ catalogue, artifacts: join(cache, 'artifacts'), imports, maxima: options.limits ?? {}, decisions, versions, log })
  const states = openModuleStates(database.sql)
  const modules = openModules({
    folder: options.modules,
    catalogue,
    cells,
    tables,
    versions,
    making,
    states,
    runs: openJobRuns(database.sql),
    decisions,
    log,
    tell,
  })
  // Whoever is not done by then is ended with its cell.
  opened.defer(async () => void (await within(STOP_MS, modules.stop())))
  const discovered = Promise.withResolvers<void>()
  if (options.watch) opened.use(await watchFolders({ folder: options.modules, found: modules.found, gone: modules.gone, after: discovered.promise, log }))
  await modules.discover()
  discovered.resolve()
  const answerers = () => ({ modules: modules.all(), catalogue, configs: decisions.configs, keep: records.addExtractions, order: modules.order() })
  const deliveries = opened.use(
    await openDeliveries({
      sql: database.sql,
      alone: database.kind === 'embedded',
      policy: { attempts: 10, retryMs: 1_000, ...options.events },
      modules: modules.all,
      deliver: (module, context, text) => tellOf(answerers(), module, context, text),
      tell,
      log,
    }),
  )
  opened.defer(async () => {
    stopping = true
    await within(DRAIN_MS, Promise.all(running))
  })
  const packages = openPackages({ registry: options.npmRegistry, cache: join(cache, 'packages') })
  const turns = createNamedTurns()
  const installer = openInstaller({
    catalogue,
    artifacts: join(cache, 'artifacts'),
    imports,
    maxima: options.limits ?? {},
    origins: openOrigins({ folder: options.modules, packages, gitKey: options.gitKey, privateHosts: imports.privateHosts }),
    programs,
    modules,
    versions,
    tables,
    decisions,
    turns,
  })
  const removal = openRemoval({ modules, versions, states, decisions, database, turns })
  const closing = opened.move()

  return {
    records,
    config: openConfigControl(modules, decisions),
    permissions: openPermissionControl(modules, decisions),
    data: openDataControl({ database, modules, tables, kv, retention }),
    backups: openBackups({ database, tables, lend, modules, versions, decisions, folder: cache }),
    http: openModuleHttp({ status: modules.status, find: modules.find, isStopping: () => stopping, track }),
    versions: openVersionControl({ modules, versions, making, installer, removal }),
    modules: modules.list,
    module: modules.status,
    enable: modules.enable,
    disable: modules.disable,
    reload: modules.reload,
    restart: modules.restart,
    health: modules.health,
    hooks: () =>
      [...catalogue.hooks].map(([name, hook]) => {
        const answering = stepsOf(answerers(), name).map(({ module }) => module)
        return { name, ...hook, context: catalogue.schemaOf(name), modules: answering }
      }),
    traces: traces.of,
    deadLetters: (query) => selectDead(database.sql, query),
    retryEvents: (which) => retryDead(database.sql, which),
    async executeHook(hook, body, { requestId = randomId(), trace: isTraced = false } = {}) {
      const context = catalogue.read(hook, body, requestId)
      if (stopping) throw new BulkheadError('UNAVAILABLE', 'cannot execute the hook, the host is stopping')
      if (catalogue.find(hook).mode === 'event') {
        const isOn = (manifest: Manifest) => decisions.configs.isOn(manifest, context)
        const told = subscribersOf(modules.all(), hook, isOn).map(({ module }) => module)
        const event = await track(deliveries.accept(context, told))
        return { action: 'continue', extractions: [], failures: [], event }
      }
      const failed = (module: string, { code, message }: Pick<BulkheadError, 'code' | 'message'>) =>
        tell({ type: 'module:hook_error', module, hook, code, message })
      const { trace, steps } = traces.follow(context, stepsOf(answerers(), hook, context))
      // The call waits for the others itself.
      const tracked = steps.map((step) => (step.blocking ? step : { ...step, run: (given: Context) => track(step.run(given)) }))
      const outcome = await track(runPipeline(tracked, context, failed))
      for (const failure of outcome.failures) failed(failure.module, failure)
      return isTraced ? { ...outcome, trace } : outcome
    },
    ready: () => !stopping,
    system: openSystem({ database, cells, modules: modules.list, records, data: options.data }),
    happenings,
    tailLogs: (query) => tailLogs(database.sql, query),
    onExecuted(observer) {
      observers.add(observer)
      return () => observers.delete(observer)
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    [Symbol.asyncDispose]: () => closing[Symbol.asyncDispose](),
  }
}
