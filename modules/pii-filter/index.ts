import { defineModule } from '@bulkhead/sdk'
import { KINDS, redact, type Kind } from './redact.ts'

export default defineModule({
  config: { enabled: true, kinds: [...KINDS] as Kind[] },
  hooks: {
    'chat:before_ai'(ctx) {
      if (!ctx.config.enabled || !ctx.message) return
      const { text, counts } = redact(ctx.message.content, ctx.config.kinds)
      if (text === ctx.message.content) return
      ctx.emit('pii_detected', { location: 'message', counts })
      return { action: 'continue', modifications: { message: { ...ctx.message, content: text } } }
    },

    'chat:after_ai'(ctx) {
      if (!ctx.config.enabled || ctx.response === undefined) return
      const { text, counts } = redact(ctx.response, ctx.config.kinds)
      if (text === ctx.response) return
      ctx.emit('pii_detected', { location: 'response', counts })
      return { action: 'continue', modifications: { response: text } }
    },
  },
})
