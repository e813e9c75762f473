import { digitsOf, search, type Span } from './search.ts'

// Groups of one or two digits are lists of numbers, and dots make decimals, but for four groups of four.
const CANDIDATE =
  /(?<!\d|\d\.)(?:[2-6]\d{3}(?:\.\d{4}){3}|[2-6]\d{3,18}(?:([ -]{1,3})\d{3,19}(?:\1\d{3,19}){0,3})?)(?!\d)/g

// Whole numbers as the networks give them out: Visa, Mastercard, American Express, Diners Club, Discover and UnionPay,
// JCB, Maestro.
const NUMBER = new RegExp(
  [
    '4\\d{12}(?:\\d{3}){0,2}',
    '(?:5[1-5]\\d\\d|222[1-9]|22[3-9]\\d|2[3-6]\\d\\d|27[01]\\d|2720)\\d{12}',
    '3[47]\\d{13}',
    '3(?:0[0-59]|[689]\\d)\\d{11}',
    '(?:6011|64[4-9]\\d|65\\d\\d|62\\d\\d)\\d{12,15}',
    '35(?:2[89]|[3-8]\\d)\\d{12,15}',
    '(?:50|5[6-9]|6\\d)\\d{14,17}',
  ]
    .map((network) => `^${network}$`)
    .join('|'),
)
const MIN_DIGITS = 13

/** Payment card numbers: in the lengths and ranges that exist, with a right check digit, in one group or up to five. */
export function findCards(text: string): Iterable<Span> {
  return search(text, CANDIDATE, (match, after) => {
    for (let number = match; number; number = withoutLastGroup(number)) {
      const digits = digitsOf(number)
      if (digits.length < MIN_DIGITS) return 0
      const isFraction = /^\.\d/.test((match + after).slice(number.length))
      if (!isFraction && NUMBER.test(digits) && hasCheckDigit(digits)) return number.length
    }
    return 0
  })
}

function withoutLastGroup(number: string): string {
  return number.replace(/(?:^|[ .-]+)\d+$/, '')
}

/** The check digit of Luhn: every second digit counts twice, from the right. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits.charAt(digits.length - 1 - i))
    const doubled = i % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
