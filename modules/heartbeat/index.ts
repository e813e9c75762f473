import { defineModule, type Health, type Powers } from '@bulkhead/sdk'
import { type Beat, judge, keep, openPulse, type Pulse } from './pulse.ts'

/** What other modules may ask. */
export interface Heartbeat {
  status(query?: { limit?: number }): Omit<Pulse, 'history'> & { running: boolean; healthy: boolean | null; last: Beat | null; history: Beat[] }
  reset(): void
}

export default defineModule({
  config: { maxStoreMs: 2000, maxLateMs: 5000, history: 360 },
  state: new Map<string, Pulse>(),
  running: false,

  pulse(): Pulse {
    const pulse = this.state.get('pulse') ?? openPulse(Date.now())
    this.state.set('pulse', pulse)
    return pulse
  },

  start(): void {
    this.running = true
  },
  stop(): void {
    this.running = false
  },
  isRunning(): boolean {
    return this.running
  },
  // Of this module alone: being started anew mends no database.
  healthCheck(): Health {
    const { beats } = this.pulse()
    return { healthy: this.running, message: this.running ? `${beats} beats so far` : 'it was not started' }
  },

  jobs: {
    async beat(powers): Promise<void> {
      if (!this.running) return
      const at = Date.now()
      const beat = judge(at, this.pulse().history.at(-1), await tryWriting(powers, at), this.config)
      if (keep(this.pulse(), beat, this.config.history)) await this.tell(beat, powers)
    },
  },

  async tell({ healthy, reason }: Beat, powers: Pick<Powers, 'emit' | 'publish'>): Promise<void> {
    await powers.publish('health.changed', { healthy, reason: reason ?? null })
    await powers.emit('health_changed', { healthy, reason: reason ?? null })
  },

  getService(): Heartbeat {
    return {
      status: ({ limit } = {}) => {
        const { since, beats, unhealthy, history } = this.pulse()
        const last = history.at(-1) ?? null
        const shown = typeof limit === 'number' && limit >= 0 ? Math.min(limit, history.length) : history.length
        return { running: this.running, healthy: last?.healthy ?? null, since, beats, unhealthy, last, history: history.slice(history.length - shown) }
      },
      reset: () => {
        this.state.set('pulse', openPulse(Date.now()))
      },
    }
  },
})

async function tryWriting(powers: Pick<Powers, 'kv'>, at: number): Promise<{ ms: number } | { error: unknown }> {
  try {
    await powers.kv.set(['beat'], at)
    return { ms: Date.now() - at }
  } catch (error) {
    return { error }
  }
}
