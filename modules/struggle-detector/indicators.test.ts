import { describe, expect, it } from 'vitest'
import { indicatorIn, questionKey } from './indicators.ts'

const SHOWN: Array<[content: string, type: string]> = [
  ['I give up', 'giving_up'],
  ["I'm giving up on this", 'giving_up'],
  ['ok, I quit', 'giving_up'],
  ['this is impossible', 'giving_up'],
  ["It's just hopeless", 'giving_up'],
  ["I'll never understand fractions", 'giving_up'],
  ["What's the point?", 'giving_up'],
  ['this is so frustrating', 'frustration'],
  ['I hate math', 'frustration'],
  ['way too hard', 'frustration'],
  ['Ugh.', 'frustration'],
  ['uuuughhh', 'frustration'],
  ['AAARGH', 'frustration'],
  ['grrr', 'frustration'],
  ["I don't understand", 'confusion'],
  ['I don’t understand', 'confusion'],
  ['i dont get it', 'confusion'],
  ['I do not really understand', 'confusion'],
  ["I still can't understand why", 'confusion'],
  ["I'm confused", 'confusion'],
  ['CONFUSED', 'confusion'],
  ["sorry, I'm lost", 'confusion'],
  ['That makes no sense', 'confusion'],
  ["it doesn't make any sense", 'confusion'],
  ['I have no idea', 'confusion'],
  ['I am stuck', 'stuck'],
  ["I can't figure this out", 'stuck'],
  ["I couldn't solve it", 'stuck'],
  ["I don't know where to start", 'stuck'],
  ['I tried everything', 'stuck'],
  ["it doesn't work", 'not_working'],
  ['still not working', 'not_working'],
  ["My code won't\nwork", 'not_working'],
  ['it keeps failing', 'not_working'],
  ['still the same error', 'not_working'],
  ['help', 'help'],
  ['Can you help me with this?', 'help'],
  ['HELP!!!', 'help'],
  ['what???', 'question_marks'],
  ['what?!?!?', 'question_marks'],
  ['什么？？？', 'question_marks'],
  ["I'm stuck, confused, and I give up", 'giving_up'],
]

const NOT_SHOWN: string[] = [
  '', 'Hello', 'I understand', 'I get it now', 'That makes sense', 'it works', 'It worked!', 'not stuck any more',
  "I'm no longer confused", 'I was never really lost', "it's not that hard", 'I will not give up', "I won't give up",
  "I don't want to give up", 'thanks for your help', 'Thank you so much for the help!', 'you were a great help',
  "I don't need help", 'where is the help menu', 'that was helpful', 'this helped a lot', 'unstuck', 'stickers',
  'quite nice', 'a quitter never wins', 'Why?', 'What is x? What is y? And z?', 'the network is down',
  'rugby', 'laughing',
]

describe('indicatorIn', () => {
  it.each(SHOWN)('sees in %j %s', (content, type) => {
    expect(indicatorIn(content)).toBe(type)
  })

  it.each(NOT_SHOWN.map((content) => [content]))('sees nothing in %j', (content) => {
    expect(indicatorIn(content)).toBeUndefined()
  })

  it.each(['?!a', 'u', 'g', 'i ', "don't ", 'thanks ', 'not a ', ' ', 'no help ', '?? ', 'a'].map((piece) => [piece]))(
    'sees nothing in 200 KB of %j',
    (piece) => {
      expect(indicatorIn(piece.repeat(200_000 / piece.length))).toBeUndefined()
    },
  )
})

describe('questionKey', () => {
  it.each([
    ['How do I add fractions?', 'how do i add fractions'],
    ['What is 1/2 + 1/3?', 'what is  1/2+1/3 ???'],
    ['为什么 是 这样？', '为什么 是 这样?'],
  ])('is the same for %j and %j', (one, other) => {
    expect(questionKey(one)).toBeDefined()
    expect(questionKey(one)).toBe(questionKey(other))
  })

  it('differs for different questions', () => {
    expect(questionKey('What is 1/2?')).not.toBe(questionKey('What is 1/3?'))
  })

  it.each([['Thank you very much'], ['yes'], ['why?'], ['???'], ['']])('is nothing for %j', (content) => {
    expect(questionKey(content)).toBeUndefined()
  })
})
