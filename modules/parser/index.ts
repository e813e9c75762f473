import { defineModule } from '@bulkhead/sdk'
import { type CsvOptions, parseCsv } from './csv.ts'

/** What other modules may ask. */
export interface Parser {
  csv(request: CsvOptions & { text: string }): ReturnType<typeof parseCsv>
}

export default defineModule({
  getService(): Parser {
    return {
      csv({ text, delimiter = ',', header = true }) {
        return parseCsv(text, { delimiter, header })
      },
    }
  },
})
