import { digitsOf, search, type Span } from './search.ts'

const UUID = /(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])/gi

const ISBN = /(?<!\d)97[89](?:[ -]?\d){10}(?!\d)/g

const VERSION = new RegExp(
  '(?<![a-z0-9])(?:v|ver|versions?|release|build|rev|revision|firmware)\\.?' +
    '(?: (?:is|no\\.?|number|to|from))? {0,2}[:=]? {0,2}v?\\d+(?:\\.\\d+)+',
  'gi',
)

const LABELLED = new RegExp(
  '(?:(?<![a-z])(?:order|invoice|ticket|tracking|reference|ref|receipt|booking|confirmation|serial|account|case|' +
    'isbn(?:-1[03])?|issn|ean|upc|sku|doi|id)[ _\\-]?(?:number|num|no|nr|code|id)?\\.?' +
    '(?: (?:is|was))? {0,2}[:=]? {0,2}#? ?|#)' +
    '\\d[\\d\\-]{3,30}',
  'gi',
)

export function findUuids(text: string): Iterable<Span> {
  return search(text, UUID)
}

/** Book numbers of 13 digits with the right checksum; those of ten resemble nothing else unless they are labelled. */
export function findIsbns(text: string): Iterable<Span> {
  return search(text, ISBN, (match) => {
    const sum = [...digitsOf(match)].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 1 : 3), 0)
    return sum % 10 === 0 ? match.length : 0
  })
}

/** Versions that are called so: `v1.2.3.4`, `version 1.2.3.4`. */
export function findVersions(text: string): Iterable<Span> {
  return search(text, VERSION)
}

/** Numbers that are said to be something else: `order 4155552671`, `ISBN 3161484100`, `#4155552671`. */
export function findLabelled(text: string): Iterable<Span> {
  return search(text, LABELLED)
}
