export interface Category {
  name: string
  severity: 'low' | 'critical'
  terms: string[]
  directResponse?: string
}

/** The categories of module.yaml, for where no host supplies any. */
export const DEFAULT_CATEGORIES: Category[] = [
  {
    name: 'self-harm',
    severity: 'critical',
    terms: [
      'kill myself', 'killing myself', 'end my life', 'ending my life', 'take my own life', 'want to die',
      'commit suicide', 'suicidal', 'want to hurt myself', 'hurting myself on purpose',
    ],
    directResponse:
      'It sounds as if you are going through something very hard, and you do not have to face it alone. Please talk ' +
      'to somebody you trust. If you may be in danger now, call your local emergency number or a crisis line.',
  },
  {
    name: 'violence',
    severity: 'critical',
    terms: [
      'build a bomb', 'make a bomb', 'pipe bomb', 'make explosives', 'shoot up the school', 'gun to school',
      'kill everyone', 'going to stab',
    ],
  },
  {
    name: 'drugs',
    severity: 'low',
    terms: [
      'cocaine', 'crack pipe', 'crystal meth', 'ecstasy pills', 'fentanyl', 'heroin', 'ketamine', 'methamphetamine',
    ],
  },
  {
    name: 'profanity',
    severity: 'low',
    terms: [
      'arse', 'arsehole', 'asshole', 'bastard', 'bullshit', 'crap', 'damn', 'dammit', 'piss off', 'shit', 'shitty',
    ],
  },
]
