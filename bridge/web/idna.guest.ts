// UTS 46, Unicode IDNA Compatibility Processing: its tables are larger than all the rest of URL.
export { toASCII, toUnicode } from 'tr46'
