import type { HookContext } from './context.ts'

/** Whether the call comes from a student. @example if (isStudent(ctx)) return { action: 'continue' } */
export function isStudent(ctx: HookContext): boolean {
  return ctx.user.role === 'student'
}

/** Whether the call comes from a teacher. @example if (isTeacher(ctx)) return { action: 'skip' } */
export function isTeacher(ctx: HookContext): boolean {
  return ctx.user.role === 'teacher'
}

/** How many of the context's messages the user wrote. @example getUserMessageCount(ctx) > 20 */
export function getUserMessageCount(ctx: HookContext): number {
  return (ctx.messages ?? []).filter((message) => message.role === 'user').length
}

/** The last `count` messages, oldest first; fewer where there are fewer. @example getRecentMessages(ctx, 5) */
export function getRecentMessages(ctx: HookContext, count: number): NonNullable<HookContext['messages']> {
  return count > 0 ? (ctx.messages ?? []).slice(-count) : []
}

/** Whether the session is at its first message. @example if (isFirstMessage(ctx)) greet() */
export function isFirstMessage(ctx: HookContext): boolean {
  return ctx.session?.messageCount === 1
}

/** Milliseconds since the session started, 0 without a session. @example getSessionDuration(ctx) > 3_600_000 */
export function getSessionDuration(ctx: HookContext): number {
  return ctx.session ? Date.now() - ctx.session.startedAt.getTime() : 0
}

/**
 * Whether a text holds any of the patterns; strings are compared without regard to case.
 *
 * @example containsPattern(text, ['help', /stuck\b/i])
 */
export function containsPattern(text: string, patterns: ReadonlyArray<string | RegExp>): boolean {
  const lower = text.toLowerCase()
  // search(), unlike test(), leaves the lastIndex of a global pattern alone.
  return patterns.some((pattern) =>
    typeof pattern === 'string' ? lower.includes(pattern.toLowerCase()) : text.search(pattern) !== -1,
  )
}

/**
 * The text with each pattern replaced, in the order given.
 *
 * @example redactPatterns(text, [{ pattern: /\S+@\S+/g, replacement: '[EMAIL]' }])
 */
export function redactPatterns(
  text: string,
  patterns: ReadonlyArray<{ pattern: RegExp; replacement: string }>,
): string {
  return patterns.reduce((redacted, { pattern, replacement }) => redacted.replace(pattern, replacement), text)
}
