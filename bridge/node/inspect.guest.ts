import { removeStandIns } from './stand-ins.guest.ts'
import { parseArgs } from '@pkgjs/parseargs'
import { format, formatWithOptions, inspect, stripVTControlCharacters } from 'node-inspect-extracted'

removeStandIns()
export { format, formatWithOptions, inspect, parseArgs, stripVTControlCharacters }
