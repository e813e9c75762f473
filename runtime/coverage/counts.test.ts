import { expect, test } from 'vitest'
import { readCounts, sumCounts } from './counts.ts'

const range = (start: number, end: number, count: number) => ({ start, end, count })

test('what a cell tells is read as functions and their ranges', () => {
  expect(readCounts('[["",0,90,1],["f",5,40,2,10,20,0]]')).toEqual([
    { name: '', ranges: [range(0, 90, 1)] },
    { name: 'f', ranges: [range(5, 40, 2), range(10, 20, 0)] },
  ])
  expect(readCounts('[]')).toEqual([])
})

test.each(['', 'null', '{}', '[1]', '[[]]', '[["f"]]', '[["f",1,2]]', '[["f",1,2,3,4]]', '[[0,1,2,3]]', '[["f",-1,2,3]]', '[["f",1,2,"3"]]', '[["f",1,2,0.5]]', '[["f",1,2,1e300]]'])(
  'what is not of that form is refused: %s',
  (text) => {
    expect(() => readCounts(text)).toThrow('the coverage cannot be read, its cell did not tell it in the form of coverage')
  },
)

test('a block that one run names and another does not ran there as often as what is around it', () => {
  const first = [{ name: 'f', ranges: [range(0, 50, 1), range(10, 20, 0)] }]
  const second = [{ name: 'f', ranges: [range(0, 50, 3), range(5, 30, 2)] }]
  expect(sumCounts([first, second])).toEqual([{ name: 'f', ranges: [range(0, 50, 4), range(5, 30, 3), range(10, 20, 2)] }])
})

test('a function that a run did not come to is not counted there', () => {
  const first = [{ name: 'f', ranges: [range(0, 50, 1)] }]
  const second = [...first, { name: 'g', ranges: [range(10, 20, 1)] }]
  expect(sumCounts([first, second])).toEqual([{ name: 'f', ranges: [range(0, 50, 2)] }, { name: 'g', ranges: [range(10, 20, 1)] }])
})

test('two blocks that meet and ran as often are one, as in Deno', () => {
  const first = [{ name: 'f', ranges: [range(0, 50, 2), range(10, 20, 0), range(20, 30, 1)] }]
  const second = [{ name: 'f', ranges: [range(0, 50, 2), range(10, 20, 1), range(20, 30, 0)] }]
  expect(sumCounts([first, second])).toEqual([{ name: 'f', ranges: [range(0, 50, 4), range(10, 30, 1)] }])
})
