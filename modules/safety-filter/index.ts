import { defineModule, type HookContext, type HookResult } from '@bulkhead/sdk'
import { DEFAULT_CATEGORIES, type Category } from './categories.ts'
import { inspect, maskHits, type Mask } from './inspect.ts'
import { plantTerms, type Place } from './terms.ts'

interface Config {
  enabled: boolean
  mask: Mask
  directResponse: string
  categories: Category[]
}

const config: Config = {
  enabled: true,
  mask: 'asterisks',
  directResponse: 'I cannot help with that here.',
  categories: DEFAULT_CATEGORIES,
}

export default defineModule({
  config,
  hooks: {
    'chat:before_ai'(ctx) {
      const { message } = ctx
      if (!message) return
      return judge(ctx, ctx.config, 'message', message.content, (content) => ({ message: { ...message, content } }))
    },

    'chat:after_ai'(ctx) {
      if (ctx.response === undefined) return
      return judge(ctx, ctx.config, 'response', ctx.response, (response) => ({ response }))
    },
  },
})

function judge(
  ctx: HookContext,
  { enabled, mask, directResponse, categories }: Config,
  location: 'message' | 'response',
  text: string,
  modifications: (text: string) => NonNullable<HookResult['modifications']>,
): HookResult | undefined {
  const hits = enabled ? inspect(text, termsOf(categories)) : []
  if (hits.length === 0) return undefined

  const found = Map.groupBy(hits, (hit) => hit.category)
  const critical = categories.find((category) => category.severity === 'critical' && found.has(category))
  ctx.emit('safety_flagged', {
    categories: countsByName(found),
    location,
    action: critical ? 'block' : 'modify',
  })
  if (!critical) return { action: 'continue', modifications: modifications(maskHits(text, hits, mask)) }
  return {
    action: 'block',
    reason: `safety:${critical.name}`,
    directResponse: critical.directResponse ?? directResponse,
  }
}

function countsByName(found: Map<Category, unknown[]>): Record<string, number> {
  const counts = new Map<string, number>()
  for (const [{ name }, hits] of found) counts.set(name, (counts.get(name) ?? 0) + hits.length)
  return Object.fromEntries(counts)
}

const planted = new WeakMap<readonly Category[], Place>()

function termsOf(categories: readonly Category[]): Place {
  const terms = planted.get(categories) ?? plantTerms(categories)
  planted.set(categories, terms)
  return terms
}
