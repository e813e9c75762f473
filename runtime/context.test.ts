import { describe, expect, it } from 'vitest'
import { completeContext } from './context.ts'

const UUID = /^[0-9a-f-]{36}$/

describe('completing a context', () => {
  it('makes of a message alone all that a module may rely on', () => {
    const before = Date.now()
    const context = completeContext('chat:before_ai', { message: { content: 'hi' } }, 'r1')
    expect(context).toEqual({
      requestId: 'r1',
      hook: 'chat:before_ai',
      timestamp: expect.any(String),
      user: { id: 'anonymous', email: '', name: '', role: 'student' },
      tool: { id: 'default', name: 'default', type: 'chat', definition: { behavior: '', model: '' } },
      message: { id: expect.stringMatching(UUID), role: 'user', content: 'hi', seq: 1 },
    })
    expect(Date.parse(context.timestamp)).toBeGreaterThanOrEqual(before)
  })

  it('leaves what the caller said as it is', () => {
    const body = {
      requestId: 'mine',
      hook: 'product:after_ai',
      timestamp: '2026-01-31T09:30:00Z',
      user: { id: 'u', email: 'e', name: 'n', role: 'teacher' as const },
      group: { id: 'g', name: 'n', path: 'p' },
      class: { id: 'c', name: 'n' },
      assignment: { id: 'a', name: 'n', config: { x: 1 } },
      tool: {
        id: 't',
        name: 'n',
        type: 'chat' as const,
        definition: { behavior: 'b', model: 'm', constraints: {}, modules: ['x'], meta: {} },
      },
      session: { id: 's', state: 'paused' as const, startedAt: '2026-01-31T09:00:00Z', messageCount: 7 },
      messages: [{ id: 'm', role: 'system' as const, content: 'c', seq: 4, createdAt: '2026-01-31T09:00:00Z' }],
      message: { id: 'm', role: 'assistant' as const, content: 'c', seq: 5 },
      response: 'r',
      run: { id: 'r', state: 'failed' as const, createdAt: '2026-01-31T09:00:00Z' },
      input: { i: 1 },
      output: { o: 1 },
    }
    expect(completeContext('product:after_ai', body, 'other')).toEqual(body)
  })

  it('fills in the rest of what is given by its id', () => {
    const body = {
      timestamp: '2026-01-31T09:30:00Z',
      user: { role: 'admin' as const },
      group: { id: 'g' },
      class: { id: 'c' },
      assignment: { id: 'a' },
      session: { id: 's' },
      messages: [{ content: 'one' }, { content: 'two', role: 'assistant' as const }],
      run: { id: 'r' },
    }
    const now = body.timestamp
    expect(completeContext('run:complete', body, 'r1')).toMatchObject({
      user: { id: 'anonymous', role: 'admin' },
      group: { id: 'g', name: '', path: '' },
      class: { id: 'c', name: '' },
      assignment: { id: 'a', name: '', config: {} },
      tool: { type: 'product' },
      session: { id: 's', state: 'active', startedAt: now, messageCount: 2 },
      messages: [
        { role: 'user', content: 'one', seq: 1, createdAt: now },
        { role: 'assistant', content: 'two', seq: 2, createdAt: now },
      ],
      run: { id: 'r', state: 'pending', createdAt: now },
    })
  })

  it('refuses the context of another hook', () => {
    expect(() => completeContext('chat:after_ai', { hook: 'chat:before_ai' }, 'r1')).toThrow(
      'the context is of another hook than "chat:after_ai"',
    )
  })
})
