import {
  containsPattern,
  getRecentMessages,
  getSessionDuration,
  getUserMessageCount,
  isFirstMessage,
  isStudent,
  isTeacher,
  redactPatterns,
} from '@bulkhead/sdk'
import { assert, assertEquals, createMockContext } from '@bulkhead/sdk/testing'

const context = createMockContext()
const messages = (['user', 'assistant', 'user'] as const).map((role, index) => ({
  id: `m${index}`,
  role,
  content: 'hi',
  seq: index + 1,
  createdAt: new Date(),
}))
const without = (field: 'session' | 'messages') => ({ ...context, [field]: undefined }) as unknown as typeof context

Deno.test('roles', () => {
  const teacher = createMockContext({ user: { ...context.user, role: 'teacher' } })
  assertEquals([isStudent(context), isTeacher(context), isStudent(teacher), isTeacher(teacher)], [true, false, false, true])
})

Deno.test('messages', () => {
  const talk = createMockContext({ messages })
  assertEquals([getUserMessageCount(talk), getUserMessageCount(without('messages'))], [2, 0])
  assertEquals(getRecentMessages(talk, 2).map(({ id }) => id), ['m1', 'm2'])
  assertEquals([getRecentMessages(talk, 0), getRecentMessages(talk, -1), getRecentMessages(without('messages'), 3)], [[], [], []])
})

Deno.test('sessions', () => {
  assert(isFirstMessage(context))
  assert(!isFirstMessage(without('session')))
  const startedAt = new Date(Date.now() - 60_000)
  assert(getSessionDuration(createMockContext({ session: { id: 's', state: 'active', startedAt, messageCount: 2 } })) >= 60_000)
  assertEquals(getSessionDuration(without('session')), 0)
})

Deno.test('patterns', () => {
  const global = /stuck/g
  assert(containsPattern('I am STUCK', ['stuck']))
  assert(containsPattern('stuck', [global]) && containsPattern('stuck', [global]))
  assert(!containsPattern('fine', ['stuck', global]))
  assertEquals(redactPatterns('a@b c@d', [{ pattern: /\S+@\S+/g, replacement: '[EMAIL]' }, { pattern: /L\] \[/, replacement: '+' }]), '[EMAI+EMAIL]')
})
