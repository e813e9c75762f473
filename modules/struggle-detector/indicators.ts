/** What a message shows by itself, the most telling first: it counts once, under the first that it shows. */
const PATTERNS = {
  giving_up: [
    /\b(?:give|giving) up\b/,
    /\bi quit\b/,
    /\b(?:this|it|that)(?:'s| is) (?:just |simply |totally )?(?:impossible|hopeless)\b/,
    /\bi(?: will|'ll) never (?:get|understand|learn|figure)\b/,
    /\bwhat(?:'s| is) the point\b/,
  ],
  frustration: [
    /\b(?:frustrated|frustrating|infuriating)\b/,
    /\bi hate (?:this|that|it|maths?|coding|programming)\b/,
    /\b(?:so|too|way too) (?:hard|difficult|confusing|annoying)\b/,
    /\b(?:u+gh+|a+r+gh+|g+r{2,})\b/,
  ],
  confusion: [
    /\b(?:not|don'?t|didn'?t|cannot|can'?t) (?:really |even |quite |still )?(?:understand|get (?:it|this|that))\b/,
    /\b(?:confused|i am lost|i'?m lost)\b/,
    /\b(?:no|zero) sense\b|\b(?:does not|doesn'?t|not) mak(?:e|ing) (?:any )?sense\b/,
    /\b(?:no|haven'?t (?:a|got a)) (?:idea|clue)\b/,
  ],
  stuck: [
    /\bstuck\b/,
    /\b(?:cannot|can'?t|could not|couldn'?t) (?:seem to |even )?(?:figure|solve|do (?:it|this|that))\b/,
    /\b(?:do not|don'?t) know (?:what to do|how to|where to start)\b/,
    /\btried everything\b/,
  ],
  not_working: [
    /\b(?:does not|doesn'?t|did not|didn'?t|will not|won'?t|not|isn'?t|never) work(?:ing|s|ed)?\b/,
    /\b(?:keeps?|kept) (?:failing|crashing|breaking|getting (?:an|the same) error)\b/,
    /\bstill (?:wrong|broken|failing|fails|the same error)\b/,
  ],
  help: [/\bhelp\b/],
  question_marks: [/(?:\?!*){3}/],
} as const satisfies Record<string, readonly RegExp[]>

export type IndicatorType = keyof typeof PATTERNS | 'repeated_question'

// Taken out before anything else is looked for: the same words, said by somebody who is well.
const REASSURING = [
  /\b(?:not|never|no longer|isn't|wasn't|aren't) (?:\w+ )?(?:stuck|confused|lost|frustrated|giving up)\b/g,
  /\b(?:not|never|won't|don't|wouldn't) (?:want to |going to |ever )?give up\b/g,
  /\b(?:not|isn't|wasn't) (?:so|too|that) (?:hard|difficult|confusing|annoying)\b/g,
  /\b(?:don't|do not|no|didn't|without) (?:need |want )?(?:any |your |more )?help\b/g,
  /\b(?:thanks|thank you|thx)\b[^.!?]{0,40}\bhelp\b/g,
  /\b(?:great|big|your|real|a lot of) help\b/g,
  /\bhelp (?:menu|page|text|desk|file|command|cent(?:er|re))\b/g,
]

/** The first indicator that a message shows by itself. @example indicatorIn("I'm stuck") // 'stuck' */
export function indicatorIn(content: string): IndicatorType | undefined {
  const plain = content.toLowerCase().replace(/[’‘`´]/g, "'").replaceAll('？', '?').replace(/\s+/g, ' ')
  const text = REASSURING.reduce((rest, pattern) => rest.replace(pattern, ' '), plain)
  for (const [type, patterns] of Object.entries(PATTERNS)) {
    if (patterns.some((pattern) => pattern.test(text))) return type as keyof typeof PATTERNS
  }
  return undefined
}

const ASKS = /[?？؟]|^\s*(?:how|what|why|when|where|who|which|can|could|would|should|is|are|do|does|did)\b/i

/**
 * A number that two questions share when they differ in case, spaces and punctuation at most; undefined for what is
 * no question or is a single word. A number, so that what was asked is not kept.
 */
export function questionKey(content: string): number | undefined {
  if (!ASKS.test(content)) return undefined
  const words = content.normalize('NFKC').toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  if (words.length < 2) return undefined
  let key = 0
  for (const char of words.join(' ')) key = (Math.imul(key, 31) + (char.codePointAt(0) ?? 0)) | 0
  return key
}
