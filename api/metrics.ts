import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Runtime } from '../runtime/runtime.ts'

/** Where Prometheus reads, with a key of this scope. */
export const METRICS = { method: 'GET', path: '/metrics', name: 'system:metrics', scope: 'system:read' } as const

export interface Metrics {
  /** In the text form of Prometheus. */
  text(): Promise<string>
  readonly contentType: string
  values(): Promise<Array<{ name: string; help: string; type: string; values: unknown[] }>>
}

type Reading = [labels: Record<string, string>, value: number]

/** Modules that have labels of their own; those past it are counted together. */
const MAX_MODULES = 500
const OTHER = '(other)'
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Counts for as long as the runtime lives. */
export function openMetrics(runtime: Pick<Runtime, 'onExecuted' | 'modules' | 'system'>): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const named = new Set<string>()
  const labelOf = (module: string) => {
    if (named.size < MAX_MODULES) named.add(module)
    return named.has(module) ? module : OTHER
  }

  const executions = new Counter({ registers, name: 'bulkhead_executions_total', help: 'Executions that have ended, by how', labelNames: ['module', 'outcome'] })
  const seconds = new Histogram({ registers, name: 'bulkhead_execution_seconds', help: 'How long executions took, as the host saw it', labelNames: ['module'], buckets: SECONDS })
  const cpu = new Counter({ registers, name: 'bulkhead_execution_cpu_seconds_total', help: 'CPU that executions used', labelNames: ['module'] })
  const kills = new Counter({ registers, name: 'bulkhead_limits_total', help: 'Executions that a limit ended', labelNames: ['module', 'limit'] })
  runtime.onExecuted(({ module: name, outcome, limit, wallMs, cpuMs }) => {
    const module = labelOf(name)
    executions.inc({ module, outcome })
    seconds.observe({ module }, wallMs / 1000)
    cpu.inc({ module }, cpuMs / 1000)
    if (limit !== undefined) kills.inc({ module, limit })
  })

  /** A gauge whose values are read when somebody asks. */
  const gauge = (name: string, help: string, labelNames: string[], read: () => Reading[] | Promise<Reading[]>) =>
    new Gauge({
      registers,
      name,
      help,
      labelNames,
      async collect() {
        // Without an answer there is nothing to show, and the rest is shown all the same.
        const readings = await Promise.resolve(read()).catch(() => [])
        this.reset()
        for (const [labels, value] of readings) this.set(labels, value)
      },
    })
  const cells = () => runtime.system.status().cells
  const countBy = (values: readonly string[]) => [...Map.groupBy(values, (value) => value)].map(([value, all]) => [value, all.length] as const)
  gauge('bulkhead_modules', 'Modules by state', ['state'], () => countBy(runtime.modules().map(({ status }) => status)).map(([state, count]) => [{ state }, count]))
  gauge('bulkhead_cells', 'Cells by whose modules they hold', ['trust'], () => countBy(cells().map(({ trust }) => trust.split(':')[0] ?? trust)).map(([trust, count]) => [{ trust }, count]))
  gauge('bulkhead_cells_resident_bytes', 'Memory that all cells hold', [], () => [[{}, cells().reduce((sum, { memoryMB }) => sum + memoryMB, 0) * 1024 * 1024]])
  gauge('bulkhead_executions_running', 'Executions that run now', [], () => [[{}, cells().reduce((sum, { executions: running }) => sum + running, 0)]])
  gauge('bulkhead_queue_depth', 'What waits to be written or delivered', ['queue'], async () => Object.entries(await runtime.system.queues()).map(([queue, depth]) => [{ queue }, depth]))
  gauge('bulkhead_database_connections', 'Connections of the host to the database', ['state'], async () => Object.entries(await runtime.system.connections()).map(([state, count]) => [{ state }, count]))
  gauge('bulkhead_host_resident_bytes', 'Memory that the host holds', [], () => [[{}, process.memoryUsage.rss()]])
  gauge('bulkhead_host_cpu_seconds_total', 'CPU of the host itself', [], () => [[{}, runtime.system.status().cpuS]])

  return {
    text: () => registry.metrics(),
    contentType: registry.contentType,
    values: async () => (await registry.getMetricsAsJSON()).map(({ name, help, type, values }) => ({ name, help, type: String(type), values: values ?? [] })),
  }
}
