import { illegal, shapeInspection, shapeInterface } from './interface.guest.ts'

// HTML Standard, 8.9, as much as WinterTC's Minimum Common API has. Nothing in it tells of the machine.
const OWN = Symbol()
const USER_AGENT = 'Deno/2.9.5'
const CORES = 2
const LANGUAGE = 'en-US'

export class Navigator {
  constructor(own?: unknown) {
    if (own !== OWN) throw Object.assign(illegal(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
  }

  get hardwareConcurrency(): number {
    return CORES
  }

  get userAgent(): string {
    return USER_AGENT
  }

  get language(): string {
    return LANGUAGE
  }

  get languages(): string[] {
    return [LANGUAGE]
  }

  get platform(): string {
    return 'Linux x86_64'
  }
}
shapeInterface(Navigator)
shapeInspection(Navigator, ['hardwareConcurrency', 'userAgent', 'language', 'languages', 'platform'])

export const navigator = new Navigator(OWN)
