import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppUnderTest, startApp } from './app.setup.ts'

let app: AppUnderTest
beforeAll(async () => {
  app = await startApp()
})
afterAll(() => app?.[Symbol.asyncDispose]())

it('answers an event with 202 and its id', async () => {
  const answer = await app.send('/v1/hooks/agent:heartbeat', { body: { agentId: 'a1' } })
  expect(answer).toMatchObject({ status: 202, body: { id: expect.stringMatching(/^[0-9a-f-]{36}$/) } })
  expect(Object.keys(answer.body)).toEqual(['id'])
})

it('refuses an event that does not fit with every fault', async () => {
  const answer = await app.send('/v1/hooks/issue:assigned', { body: { issue: {}, agnet: {} } })
  expect(answer.status).toBe(422)
  expect(answer.body.error.details.faults.map(({ path }) => path).toSorted()).toEqual(['agent', 'agnet', 'issue.id'])
})

it('tells what each module did where it is asked to, and afterwards by the id of the request', async () => {
  const body = { message: { content: 'write to jane@example.org' } }
  const headers = { 'x-request-id': 'traced' }
  const told = await app.send('/v1/hooks/chat:before_ai?trace=1', { body, headers })
  const steps = [
    { module: 'pii-filter', outcome: 'continue', changes: [{ field: 'message.content', before: 25, after: 16 }] },
    { module: 'echo', outcome: 'continue', changes: [expect.objectContaining({ field: 'output.context' })] },
  ]
  expect(told).toMatchObject({ status: 200, body: { trace: { requestId: 'traced', hook: 'chat:before_ai', steps } } })
  expect(await app.send('/v1/hooks/traces/traced')).toMatchObject({ status: 200, body: { items: [{ steps }], nextCursor: null } })
  expect(JSON.stringify((await app.send('/v1/hooks/traces/traced')).body)).not.toContain('jane')
  expect(await app.send('/v1/hooks/traces/nothing')).toMatchObject({ status: 200, body: { items: [] } })
  expect((await app.send('/v1/hooks/chat:before_ai', { body })).body).not.toHaveProperty('trace')
  expect(await app.send('/v1/hooks/chat:before_ai?trace=yes', { body })).toMatchObject({ status: 422 })
})

it('lists the hooks, with the schema of each context and the modules in the order in which they are asked', async () => {
  const { body } = await app.send('/v1/hooks')
  expect(body.items).toHaveLength(21)
  expect(body.items.find(({ name }) => name === 'chat:before_ai')).toMatchObject({ mode: 'pipeline', blocking: true, modules: ['pii-filter', 'echo'] })
  expect(body.items.find(({ name }) => name === 'agent:created')).toMatchObject({
    mode: 'event', modules: [], context: { required: ['agent'], properties: { agent: { type: 'object' }, user: { type: 'object' } } },
  })
})
