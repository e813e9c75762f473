import { serve } from '@hono/node-server'
import { Hono } from 'hono'

// The least that an application would write to answer such a call: parse, look, answer.
const app = new Hono()
app.post('/v1/hooks/:hook', async (c) => {
  const { message } = await c.req.json<{ message: { content: string } }>()
  return c.json({ action: 'continue', modifications: { message }, extractions: [], failures: [] })
})
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => process.stdout.write(`listens on http://127.0.0.1:${port}\n`))
