import { describe, expect, it } from 'vitest'
import { MAX_INDICATORS, MAX_QUESTIONS, MAX_SESSIONS, observe, touchSession, type Session } from './episodes.ts'

const MINUTE = 60_000
const settings = { threshold: 3, windowMs: 5 * MINUTE }
const start = Date.UTC(2026, 0, 1)

/** Tells one session "I am stuck" at each of the minutes and answers at which of them an episode began. */
function beginnings(minutes: number[], given = settings): number[] {
  const session = touchSession(new Map(), 's1')
  return minutes.filter((minute) => observe(session, 'I am stuck', start + minute * MINUTE, given))
}

describe('an episode', () => {
  it.each<[situation: string, minutes: number[], began: number[]]>([
    ['does not begin one indicator under the threshold', [0, 1], []],
    ['begins at the threshold', [0, 1, 2], [2]],
    ['begins once while the indicators go on', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2]],
    ['begins with indicators that all just fit into the window', [0, 2, 4.99], [4.99]],
    ['does not begin when the first has just left the window', [0, 2, 5], []],
    ['begins when the window slides onto enough of them', [0, 4, 6, 7], [7]],
    ['does not end just before a whole window has stayed below the threshold', [0, 1, 2, 6, 7, 9.99], [2]],
    ['ends once a whole window has stayed below the threshold', [0, 1, 2, 6, 7, 10], [2, 10]],
    ['is prolonged by what reaches the threshold again', [0, 1, 2, 6, 7, 9, 12, 13, 13.5], [2]],
    ['is followed by another after a long silence', [0, 1, 2, 60, 61, 62], [2, 62]],
    ['begins though messages arrive in another order than they were sent in', [2, 0, 1], [1]],
    ['does not begin anew for a late message', [0, 1, 3, 2], [3]],
    ['begins in its time when a wrong clock was far ahead before', [600, 601, 602, 0, 1, 2], [602, 2]],
  ])('%s', (_, minutes, began) => {
    expect(beginnings(minutes)).toEqual(began)
  })

  it('begins with the first indicator at a threshold of 1', () => {
    expect(beginnings([0, 1, 9], { ...settings, threshold: 1 })).toEqual([0])
  })

  it('can begin at the highest threshold', () => {
    const minutes = Array.from({ length: MAX_INDICATORS }, (_, i) => i / 100)
    expect(beginnings(minutes, { ...settings, threshold: MAX_INDICATORS })).toEqual(minutes.slice(-1))
  })
})

describe('observe', () => {
  it('counts a message once', () => {
    const session = touchSession(new Map(), 's1')
    observe(session, "I'm stuck and confused, it doesn't work, help???", start, settings)
    expect(session.indicators).toEqual([{ type: 'confusion', at: start }])
  })

  it('counts a question that is asked again within the window', () => {
    const session = touchSession(new Map(), 's1')
    observe(session, 'What is a monad?', start, settings)
    observe(session, 'what is a Monad', start + MINUTE, settings)
    expect(session.indicators).toEqual([{ type: 'repeated_question', at: start + MINUTE }])
  })

  it('does not count a question that is asked again after the window', () => {
    const session = touchSession(new Map(), 's1')
    observe(session, 'What is a monad?', start, settings)
    observe(session, 'What is a monad?', start + 5 * MINUTE, settings)
    expect(session.indicators).toEqual([])
  })

  it('keeps no more than so many indicators and questions of a session', () => {
    const session = touchSession(new Map(), 's1')
    const atMost = { ...settings, threshold: MAX_INDICATORS }
    for (let i = 0; i <= MAX_INDICATORS; i++) observe(session, `What is ${i}? I am stuck`, start + i, atMost)
    expect(session.indicators).toHaveLength(MAX_INDICATORS)
    expect(session.indicators[0]?.at).toBe(start + 1)
    expect(session.questions).toHaveLength(MAX_QUESTIONS)
  })
})

describe('touchSession', () => {
  it('forgets the session not heard of for longest when there is one too many', () => {
    const sessions = new Map<string, Session>()
    for (let i = 0; i < MAX_SESSIONS; i++) touchSession(sessions, `s${i}`)
    touchSession(sessions, 's0')
    expect([sessions.size, sessions.has('s1')]).toEqual([MAX_SESSIONS, true])
    touchSession(sessions, 'one more')
    expect([sessions.size, sessions.has('s0'), sessions.has('s1')]).toEqual([MAX_SESSIONS, true, false])
  })
})
