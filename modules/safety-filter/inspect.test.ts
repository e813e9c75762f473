import { describe, expect, it } from 'vitest'
import type { Category } from './categories.ts'
import { inspect, maskHits } from './inspect.ts'
import { plantTerms } from './terms.ts'

const category = (name: string, ...terms: string[]): Category => ({ name, severity: 'low', terms })
const terms = plantTerms([
  category('test', 'hell', 'kill', 'damn', 'ass', 'cocaine', 'idiot', 'kill myself', "don't live", 'c4', 'god', 'shot',
    'cop', 'piss off'),
  category('foreign', 'бомба', 'рот', '自殺', 'idiotå'),
])
const masked = (text: string) => maskHits(text, inspect(text, terms), 'asterisks')

const MASKED: Array<[why: string, text: string, masked: string]> = [
  ['a word', 'kill', '****'],
  ['a word in a sentence', 'do not kill it', 'do not **** it'],
  ['a word before punctuation', 'Damn, what the hell?', '****, what the ****?'],
  ['a word before an exclamation mark', 'hell!', '****!'],
  ['a word before many', 'kill!!!', '****!!!'],
  ['a word in quotes and Markdown', '"kill" **kill** _kill_', '"****" ******** _****_'],
  ['a word in a compound', 'ass-backwards', '***-backwards'],
  ['a word between lines', 'a\nkill\nb', 'a\n****\nb'],
  ['a word in a hashtag or a mention', '#kill @kill', '#**** @****'],
  ['two words', 'kill kill', '**** ****'],
  ['a phrase', 'I kill myself', 'I ***********'],
  ['a phrase over a line', 'kill\n  myself', '*************'],
  ['a phrase with a hyphen', 'kill-myself', '***********'],
  ['a phrase with punctuation', 'kill, myself', '************'],
  ['a phrase in one word', 'killmyself', '**********'],
  ['a phrase with an apostrophe', "don't live", '**********'],
  ['a phrase with another apostrophe', 'don’t live', '**********'],
  ['a phrase without its apostrophe', 'dont live', '*********'],
  ['capitals', 'KiLL', '****'],
  ['accents', 'kíll dàmñ', '**** ****'],
  ['accents as characters of their own', 'ki\u0301ll', '*****'],
  ['many accents', 'k\u0336i\u0336l\u0336l\u0336', '********'],
  ['digits', 'k1ll', '****'],
  ['a one as an l', 'ki11', '****'],
  ['a zero, a three and more', 'c0ca1n3', '*******'],
  ['a four', 'd4mn', '****'],
  ['signs', 'd@mn a$$ @ss', '**** *** ***'],
  ['an exclamation mark', 'k!ll', '****'],
  ['a bar', 'ki||', '****'],
  ['disguised before an exclamation mark', 'd4mn!', '****!'],
  ['disguised after a mention', '@d4mn', '@****'],
  ['a letter and its sign', 'as$', '***'],
  ['spaces', 'k i l l', '*******'],
  ['wide spaces', 'k   i   l   l', '*************'],
  ['dots', 'k.i.l.l', '*******'],
  ['a last dot', 'k.i.l.l.', '*******.'],
  ['hyphens', 'k-i-l-l', '*******'],
  ['hyphens with spaces', 'k - i - l - l', '*************'],
  ['underscores', 'k_i_l_l', '*******'],
  ['asterisks', 'k*i*l*l', '*******'],
  ['commas', 'k,i,l,l', '*******'],
  ['exclamation marks between', 'k!i!l!l', '*******'],
  ['bars between', 'k|i|l|l', '*******'],
  ['lines', 'k\ni\nl\nl', '*******'],
  ['no-break spaces', 'k\u00a0i\u00a0l\u00a0l', '*******'],
  ['spaces beside a word of one letter', 'I k i l l a man', 'I ******* a man'],
  ['spaces and a beginning that may be a word', 'a s s', '*****'],
  ['dots after words of one letter', 'u r k.i.l.l u r', 'u r ******* u r'],
  ['spaces before a hyphen', 'k i l l-er k i l l-a', '*******-er *******-a'],
  ['dots before spaced-out letters', 'k.i.l.l x y z', '******* x y z'],
  ['spaces with digits', 'k 1 l l', '*******'],
  ['a spaced-out phrase', 'k i l l m y s e l f', '*'.repeat(19)],
  ['a phrase of spaced-out words', 'k.i.l.l m.y.s.e.l.f', '*'.repeat(19)],
  ['zero-width spaces', 'k\u200bi\u200bl\u200bl', '*******'],
  ['soft hyphens', 'ki\u00adll', '*****'],
  ['a byte order mark and joiners', 'k\ufeffi\u200dl\u2060l', '*******'],
  ['Cyrillic among ours', 'кill', '****'],
  ['Cyrillic alone', 'аѕѕ сор', '*** ***'],
  ['Cyrillic in capitals', 'САТ СОСАІNE', 'САТ *******'],
  ['Greek among ours', 'kιll dαmn', '**** ****'],
  ['Greek capitals', 'ΚILL', '****'],
  ['Cyrillic among ours in a Russian sentence', 'это кill, да', 'это ****, да'],
  ['full-width letters', 'ｋｉｌｌ', '****'],
  ['circled letters', 'ⓚⓘⓛⓛ', '****'],
  ['mathematical letters', '𝐤𝐢𝐥𝐥 𝓀𝒾𝓁𝓁', '**** ****'],
  ['small capitals', 'ᴋɪʟʟ', '****'],
  ['letters with a stroke or no dot', 'kıłł', '****'],
  ['a letter many times', 'kiiiill', '*******'],
  ['every letter many times', 'dddaaammmnnn', '************'],
  ['a letter twice that is never doubled', 'daamn kkill', '***** *****'],
  ['more of what is double already', 'killllll', '********'],
  ['letters many times and spaced out', 'k i i i l l', '***********'],
  ['several at once', 'К.1.l.L', '*******'],
  ['a term with a digit as it stands', 'c4', '**'],
  ['another script', 'моя бомба!', 'моя *****!'],
  ['a word of lookalikes in its own script', 'рот', '***'],
  ['a script without spaces', '他自殺了', '他**了'],
  ['a term beside a script without spaces', '我kill你', '我****你'],
  ['the longest', 'idiotå', '******'],
]

const UNTOUCHED: string[] = [
  '', ' ', '!!!', '$$$', '@', '...',
  // inside words
  'hello', 'shell', 'Michelle', 'skill', 'skills', 'killed', 'Kilimanjaro', 'class', 'pass', 'assess', 'assassin',
  'bass', 'Scunthorpe', 'grass', 'damnation', 'password', 'pa$$word', 'cla$$', 'a$$et', 'gods', 'kidiot', 'überkill',
  'killä', 'kill2', '2kill', 'kilл', 'cocaines',
  // across words and contractions
  "he'll", "we'll", "She'll be", 'he ll', 'as soon', 'a s', 'ki ll', 'k ill', 'as s', 'hel l', 'he-ll', 'I am not',
  'dam n', "I'd a man", 'da mn', 'I k', 'go d', 'ki.ll', 'plan A, S, Sunday', 'is kil l',
  // spelling and lists
  'h e l l o', 's h e l l', 'a b c d e f g h i j k l m n o p', 'c l a s s', 'k i l t', 'd,a.m-n', 'k i, l l',
  'k. i l l', 'f(x) = a s + s', 'k1 i2 l3 l4',
  // as many letters as there are
  'as', 'kil', 'hel', 'good', 'shoot', 'Goooogle', 'ka', 'kl', 'k',
  // numbers
  '455', '4,55', '$4.55', '1455', '4 5 5', 'A55', '$$$ 455', '60d', '7734', '1337',
  // another script
  'сор и язык', 'Кот и собака', 'καλημέρα', '自己', '日本語のテキスト', 'привет',
  // phrases
  'off piss', 'piss me off', 'piss ..... off', 'do not live', "don't you live",
]

describe('inspect', () => {
  it.each(MASKED)('finds %s: %j', (_, text, expected) => {
    expect(masked(text)).toBe(expected)
  })

  it.each(UNTOUCHED.map((text) => [text]))('finds nothing in %j', (text) => {
    expect(inspect(text, terms)).toEqual([])
  })
})

describe('inspect of long texts', () => {
  const size = 200_000
  const fill = (piece: string) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size)

  it.each([
    'b', 'b ', 'k', 'k ', 'a ', '1', '1l', '!l', '$', '@', '4 ', 'a1', 'к', 'к ', 'я', '中', '\u200b', 'a\u0301',
    'ﬁ', 'ﷺ', '가', '\ud800', '\u0336', 'i a u r y ', 'k.', 'ki ', ' ', '.', '| ', '١',
  ].map((piece) => [piece]))('finds nothing in 200 KB of %j', (piece) => {
    expect(inspect(fill(piece), terms)).toEqual([])
  })

  it('finds every one of many', () => {
    expect(inspect('kill '.repeat(40_000), terms)).toHaveLength(40_000)
    expect(inspect('k1ll '.repeat(40_000), terms)).toHaveLength(40_000)
  })

  it.each([49_000, 49_990, 49_996, 49_998, 50_000, 50_010, 97_990, 97_999])(
    'finds a term at %d, where its pieces meet',
    (at) => {
      const text = `${'x '.repeat(at).slice(0, at - 1)} k.i.l.l ${'x '.repeat(40_000)}`
      expect(inspect(text, terms)).toMatchObject([{ start: at, end: at + 7 }])
    },
  )

  it('takes no end of a piece for the end of a word', () => {
    for (let at = 47_980; at < 50_010; at++) {
      const text = `${' '.repeat(at)}skills h e l l o${' '.repeat(5_000)}`
      expect(inspect(text, terms)).toEqual([])
    }
  })
})

describe('maskHits', () => {
  const hits = inspect('damn, k i l l 𝐤𝐢𝐥𝐥!', terms)

  it('puts an asterisk for each character', () => {
    expect(maskHits('damn, k i l l 𝐤𝐢𝐥𝐥!', hits, 'asterisks')).toBe('****, ******* ****!')
  })

  it('puts a word for each term', () => {
    expect(maskHits('damn, k i l l 𝐤𝐢𝐥𝐥!', hits, 'removed')).toBe('[removed], [removed] [removed]!')
  })

  it('masks terms of two categories that overlap', () => {
    const both = plantTerms([category('one', 'piss off'), category('two', 'off you go')])
    const text = 'piss off you go now'
    expect(maskHits(text, inspect(text, both), 'asterisks')).toBe(`${'*'.repeat(15)} now`)
  })
})
