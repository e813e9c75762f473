import { search, type Accept, type Span } from './search.ts'

const EXTENSION = /^[,;]? ?(?:[xX]|[eE]xt(?:ension|\.)?) ?[.:]? ?\d{1,6}(?!\d)/

// A plus, 00 or 011, then a country's code and the rest, written in any groups.
const INTERNATIONAL =
  '(?:(?<![\\d+])(?:\\(\\+[1-9]\\d{0,2}\\)|\\+[1-9])|(?<![A-Za-z0-9]|\\d[.,\\-])(?:00|011[.\\- ])[1-9])' +
  '(?:[.\\- \\/]{0,2}(?:\\(\\d{1,5}\\)|\\d)){6,14}'

// (415) 555-2671 · 415-555-2671 · 415 555 2671, each with or without a 1 before it; no part of a longer number, an
// amount of money or a part number such as AB-415-555-2671.
const NORTH_AMERICAN = `(?<![A-Z0-9$€£¥]|\\d[.\\-]|[A-Z]-)(?:1[.\\- ]?)?(?:${[
  '\\(\\d{3}\\)[.\\- ]{0,3}\\d{3}[.\\- ]{1,3}\\d{4}',
  '\\d{3}[.\\-\\/]\\d{3}[.\\-]\\d{4}',
  '[2-9]\\d{2} ?[.\\- ] ?\\d{3} ?[.\\- ] ?\\d{4}',
].join('|')})(?!\\d|[.\\-]\\d)`

// 4155552671: ten digits mean much else, so area and exchange must exist, and nothing around may speak against it.
const PLAIN =
  '(?<![A-Za-z0-9$€£¥\\/#+]|\\d[.\\-]|[A-Za-z0-9][_\\-])1?[2-9]\\d{2}[2-9]\\d{6}' +
  '(?![A-Za-z0-9%]|\\.\\d|-[A-Za-z0-9]|,\\d{1,2}(?!\\d))'

const PHONE = new RegExp([INTERNATIONAL, NORTH_AMERICAN, PLAIN].join('|'), 'g')

/** Telephone numbers: those with a country's code of any country, those without one of North America. */
export function findPhones(text: string): Iterable<Span> {
  return search(text, PHONE, (match, after) => {
    const length = /^(?:\(?\+|0)/.test(match) ? lengthOfInternational(match, after) : match.length
    if (length === 0) return 0
    return length + (EXTENSION.exec((match + after).slice(length))?.[0].length ?? 0)
  })
}

/** Up to the end of the last group that makes a number of a length there is: 8 to 15 digits, 11 with the code 1. */
const lengthOfInternational: Accept = (match, after) => {
  const prefix = /^(?:\(?\+|00|011.)/.exec(match)?.[0].length ?? 0
  const [least, most] = match.charAt(prefix) === '1' ? [11, 11] : [8, 15]
  let digits = 0
  let length = 0
  for (let i = prefix; i < match.length; i++) {
    if (!/\d/.test(match.charAt(i))) continue
    digits++
    const endsGroup = !/\d/.test((match + after).charAt(i + 1))
    if (endsGroup && digits >= least && digits <= most) length = i + 1
  }
  return length
}
