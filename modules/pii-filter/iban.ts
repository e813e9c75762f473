import { search, type Span } from './search.ts'

// Two letters, two digits and at most 30 more characters, in groups or not; shorter ones are found by their country.
const CANDIDATE = /(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?:[ -]?[A-Za-z0-9]){11,30}/g

// The length that each country has given its IBANs in the registry of ISO 13616.
const LENGTHS: ReadonlyMap<string, number> = new Map(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ' +
    'ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 ' +
    'LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 ' +
    'PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
)

/** International bank account numbers, in groups or not, in capitals or not, whose checksum is right. */
export function findIbans(text: string): Iterable<Span> {
  return search(text, CANDIDATE, (match, following) => {
    const wanted = LENGTHS.get(match.slice(0, 2).toUpperCase())
    if (!wanted) return 0
    const length = lengthOf(match, wanted)
    const iban = match.slice(0, length)
    const after = (match + following).charAt(length)
    return length > 0 && !/[A-Za-z0-9]/.test(after) && isValid(iban.replace(/[ -]/g, '')) ? length : 0
  })
}

/** How much of the text its first `wanted` letters and digits take up, 0 if it has fewer. */
function lengthOf(text: string, wanted: number): number {
  let seen = 0
  for (let i = 0; i < text.length; i++) {
    if (/[A-Za-z0-9]/.test(text.charAt(i))) seen++
    if (seen === wanted) return i + 1
  }
  return 0
}

function isValid(iban: string): boolean {
  let rest = 0
  for (const char of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(char, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest === 1
}
