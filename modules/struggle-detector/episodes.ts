import { indicatorIn, questionKey, type IndicatorType } from './indicators.ts'

export interface Indicator {
  type: IndicatorType
  /** Milliseconds since 1970. */
  at: number
}

/** What is remembered of one session; of its messages, nothing that could be read. */
export interface Session {
  indicators: Indicator[]
  questions: Array<{ key: number; at: number }>
  /** When the window last held, or will if nothing more comes, as many indicators as the threshold; 0 if never. */
  highUntil: number
}

export interface Settings {
  threshold: number
  windowMs: number
}

export const MAX_SESSIONS = 1000
export const MAX_INDICATORS = 50
export const MAX_QUESTIONS = 20

/** The session, as the one last heard of; the one not heard of for longest is forgotten when there are too many. */
export function touchSession(sessions: Map<string, Session>, id: string): Session {
  const session = sessions.get(id) ?? { indicators: [], questions: [], highUntil: 0 }
  sessions.delete(id)
  sessions.set(id, session)
  for (const oldest of sessions.keys()) {
    if (sessions.size <= MAX_SESSIONS) break
    sessions.delete(oldest)
  }
  return session
}

/**
 * Takes in one message of a session. An episode begins with the message that brings the indicators within the window
 * to the threshold; it lasts until they have stayed below it for one whole window.
 *
 * @returns the indicators in the window if an episode begins with this message
 */
export function observe(session: Session, content: string, now: number, settings: Settings): Indicator[] | undefined {
  const { threshold, windowMs } = settings
  // Hooks that nobody waits for may arrive in another order than they were sent in, so a window reaches both ways.
  const inWindow = ({ at }: { at: number }) => Math.abs(now - at) < windowMs

  session.indicators = session.indicators.filter(inWindow)
  session.questions = session.questions.filter(inWindow)
  const type = typeOf(session, content, now)
  if (!type) return undefined
  const indicators = [...session.indicators, { type, at: now }]
  session.indicators = indicators.toSorted((a, b) => a.at - b.at).slice(-MAX_INDICATORS)

  const first = session.indicators.at(-threshold)
  if (!first) return undefined
  const begins = now >= session.highUntil + windowMs || now < session.highUntil - 2 * windowMs
  session.highUntil = first.at + windowMs
  return begins ? session.indicators : undefined
}

function typeOf(session: Session, content: string, now: number): IndicatorType | undefined {
  const key = questionKey(content)
  const repeated = key !== undefined && session.questions.some((question) => question.key === key)
  if (key !== undefined) session.questions = [...session.questions, { key, at: now }].slice(-MAX_QUESTIONS)
  return indicatorIn(content) ?? (repeated ? 'repeated_question' : undefined)
}
