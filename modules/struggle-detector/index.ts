import { defineModule } from '@bulkhead/sdk'
import { observe, touchSession, type Session } from './episodes.ts'

export default defineModule({
  config: { enabled: true, threshold: 3, windowMinutes: 5 },
  hooks: {
    'chat:on_message'(ctx) {
      const { enabled, threshold, windowMinutes } = ctx.config
      const { session, message, timestamp } = ctx
      if (!enabled || !session || message?.role !== 'user') return

      const remembered = touchSession(this.state as Map<string, Session>, session.id)
      const settings = { threshold, windowMs: windowMinutes * 60_000 }
      const indicators = observe(remembered, message.content, timestamp.getTime(), settings)
      if (!indicators) return
      ctx.emit('struggle_detected', {
        sessionId: session.id,
        indicators: indicators.map(({ type, at }) => ({ type, at: new Date(at).toISOString() })),
        durationMs: Math.max(0, timestamp.getTime() - session.startedAt.getTime()),
      })
    },
  },
})
