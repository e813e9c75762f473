import { describe, expect, it } from 'vitest'
import { KINDS, redact, type Kind } from './redact.ts'

const REPLACED: Array<[text: string, redacted: string]> = [
  // e-mail
  ['Write to ann@example.org', 'Write to [EMAIL]'],
  ['Write to ann@example.org.', 'Write to [EMAIL].'],
  ['ann@example.org, bob@example.com; eve@example.net', '[EMAIL], [EMAIL]; [EMAIL]'],
  ['Ann <ann@example.org>', 'Ann <[EMAIL]>'],
  ["'ann@example.org' and \"bob@example.org\"", "'[EMAIL]' and \"[EMAIL]\""],
  ['(ann@example.org)', '([EMAIL])'],
  ['[Ann](mailto:ann@example.org)', '[Ann](mailto:[EMAIL])'],
  ['**ann@example.org** and `bob@example.org`', '**[EMAIL]** and `[EMAIL]`'],
  ['first.last+tag@mail.example.co.uk', '[EMAIL]'],
  ["d'arcy.o'brien@example.ie", '[EMAIL]'],
  ['a_b%c-d@example.org', '[EMAIL]'],
  ['ANN@EXAMPLE.ORG', '[EMAIL]'],
  ['ann@163.com', '[EMAIL]'],
  ['...ann@example.org...', '...[EMAIL]...'],
  ['"ann lee"@example.org', '[EMAIL]'],
  ['{"email":"ann@example.org"}', '{"email":"[EMAIL]"}'],
  ['https://example.org/?to=ann%40example.org&x=1', 'https://example.org/?to=[EMAIL]&x=1'],
  ['josé.müller@bücher.example', '[EMAIL]'],
  ['почта@пример.рф', '[EMAIL]'],
  ['用户@例子.公司', '[EMAIL]'],
  ['我的邮箱是ann@example.org谢谢', '我的邮箱是[EMAIL]谢谢'],
  ['ann＠example．org', '[EMAIL]'],
  ['ann@exa\u200bmple.org', '[EMAIL]'],
  ['ann@example.xn--p1ai', '[EMAIL]'],
  ['ann@example.org\nbob@example.org', '[EMAIL]\n[EMAIL]'],
  // phone, international
  ['Ring +49 30 1234567 now', 'Ring [PHONE] now'],
  ['+49-30-1234567', '[PHONE]'],
  ['+49301234567', '[PHONE]'],
  ['+49 (0)30 1234567', '[PHONE]'],
  ['+49 (30) 1234567', '[PHONE]'],
  ['(+49) 30 1234567', '[PHONE]'],
  ['(+49 30 1234567)', '([PHONE])'],
  ['+49(0)30/1234567', '[PHONE]'],
  ['+7 (495) 123-45-67', '[PHONE]'],
  ['+44 20 7946 0958', '[PHONE]'],
  ['+33 6 12 34 56 78', '[PHONE]'],
  ['+1 415.555.2671', '[PHONE]'],
  ['+1 (415) 555-2671', '[PHONE]'],
  ['+14155552671', '[PHONE]'],
  ['+1 415 555 2671 100 times', '[PHONE] 100 times'],
  ['0041 44 668 18 00', '[PHONE]'],
  ['0049301234567', '[PHONE]'],
  ['011 44 20 7946 0958', '[PHONE]'],
  ['tel:+49-30-1234567', 'tel:[PHONE]'],
  ['tel:4155552671', 'tel:[PHONE]'],
  ['+49 30 1234567, +49 40 7654321', '[PHONE], [PHONE]'],
  ['+49 30 1234567 +49 40 7654321', '[PHONE] [PHONE]'],
  ['＋４９ ３０ １２３４５６７', '[PHONE]'],
  ['+٤٩ ٣٠ ١٢٣٤٥٦٧', '[PHONE]'],
  ['\u202a+49 30 1234567\u202c!', '\u202a[PHONE]\u202c!'],
  ['+49\u00a030\u00a01234567', '[PHONE]'],
  ['电话+49 30 1234567。', '电话[PHONE]。'],
  // phone, North American
  ['(415) 555-2671', '[PHONE]'],
  ['(415)555-2671', '[PHONE]'],
  ['415-555-2671', '[PHONE]'],
  ['415.555.2671', '[PHONE]'],
  ['415 555 2671', '[PHONE]'],
  ['415/555-2671', '[PHONE]'],
  ['415–555–2671', '[PHONE]'],
  ['1-800-555-0199', '[PHONE]'],
  ['1 (415) 555-2671', '[PHONE]'],
  ['4155552671', '[PHONE]'],
  ['14155552671', '[PHONE]'],
  ['555-123-4567 or 123-456-7890', '[PHONE] or [PHONE]'],
  ['555 123 4567', '[PHONE]'],
  ['415-555-2671 ext. 12', '[PHONE]'],
  ['415-555-2671x12', '[PHONE]'],
  ['Call 415-555-2671.', 'Call [PHONE].'],
  ['_415-555-2671_', '_[PHONE]_'],
  ['1. 415-555-2671', '1. [PHONE]'],
  ['415-555-2671,415-555-2672', '[PHONE],[PHONE]'],
  ['4155552671,4155552672', '[PHONE],[PHONE]'],
  ['𝟜𝟙𝟝-𝟝𝟝𝟝-𝟚𝟞𝟟𝟙', '[PHONE]'],
  // social security number
  ['123-45-6789', '[SSN]'],
  ['SSN:123-45-6789.', 'SSN:[SSN].'],
  ['123 45 6789', '[SSN]'],
  ['123.45.6789', '[SSN]'],
  ['123 - 45 - 6789', '[SSN]'],
  ['my ssn is 123456789', 'my ssn is [SSN]'],
  ['Social Security number: 123456789', 'Social Security number: [SSN]'],
  ['case 123-45-6789', 'case [SSN]'],
  ['987-65-4321', '[SSN]'],
  ['１２３-４５-６７８９', '[SSN]'],
  // card
  ['4111111111111111', '[CARD]'],
  ['4111 1111 1111 1111', '[CARD]'],
  ['4111-1111-1111-1111', '[CARD]'],
  ['4111.1111.1111.1111', '[CARD]'],
  ['4111 - 1111 - 1111 - 1111', '[CARD]'],
  ['4111 1111 1111 1111 123', '[CARD] 123'],
  ['4111 1111 1111 1111 12/29', '[CARD] 12/29'],
  ['order 4111111111111111', 'order [CARD]'],
  ['card4111111111111111', 'card[CARD]'],
  ['5555555555554444', '[CARD]'],
  ['2223 0031 2200 3222', '[CARD]'],
  ['3782 822463 10005', '[CARD]'],
  ['378282246310005', '[CARD]'],
  ['6011 1111 1111 1117', '[CARD]'],
  ['3056 930902 5904', '[CARD]'],
  ['3530 1113 3330 0000', '[CARD]'],
  ['4222222222222', '[CARD]'],
  ['4111111111111111,5555555555554444', '[CARD],[CARD]'],
  ['5555 5555 5555 4444 4111 1111 1111 1111', '[CARD] [CARD]'],
  // bank account
  ['DE89370400440532013000', '[IBAN]'],
  ['DE89 3704 0044 0532 0130 00', '[IBAN]'],
  ['de89 3704 0044 0532 0130 00', '[IBAN]'],
  ['DE89-3704-0044-0532-0130-00', '[IBAN]'],
  ['IBAN: GB82 WEST 1234 5698 7654 32 is mine', 'IBAN: [IBAN] is mine'],
  ['FR14 2004 1010 0505 0001 3M02 606', '[IBAN]'],
  ['NO9386011117947', '[IBAN]'],
  ['MT84MALT011000012345MTLCAST001S', '[IBAN]'],
  ['DE89 3704 0044 0532 0130 00 GB82 WEST 1234 5698 7654 32', '[IBAN] [IBAN]'],
  ['DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000', '[IBAN]'],
  // address
  ['ping 192.168.0.1', 'ping [IP]'],
  ['Server 10.0.0.255.', 'Server [IP].'],
  ['http://127.0.0.1:8080/x', 'http://[IP]:8080/x'],
  ['10.0.0.0/24', '[IP]/24'],
  ['10.0.0.1-10.0.0.9', '[IP]-[IP]'],
  ['...8.8.8.8', '...[IP]'],
  ['服务器10.0.0.1是', '服务器[IP]是'],
  ['root@10.0.0.1', 'root@[IP]'],
  // several
  ['ann@example.org, 415-555-2671, 123-45-6789', '[EMAIL], [PHONE], [SSN]'],
  ['4111 1111 1111 1111 from 10.0.0.1', '[CARD] from [IP]'],
]

const UNTOUCHED: string[] = [
  '',
  'Nothing to see here.',
  // versions
  'version 1.2.3', 'v1.2.3.4', 'Version 1.2.3.4', 'version: 1.2.3.4', 'version number 1.2.3.4', 'release 10.1.2.3',
  'build 10.0.19045.1', 'Windows 10.0.19045.1', 'Chrome/120.0.6099.109', '1.2.3.4.5', '999.1.1.1', '1.2.3',
  'react@19.0.0-rc.one', 'lodash@4.17.21', 'lib1.2.3.4',
  // dates and times
  '2024-01-05', '05.01.2024', '01/05/2024', '2024-01-05T10:30:00Z', '2024-01-05T10:30:00.123456789+01:00',
  '2024-01-05 10:30:00 +0100', '20240105', '20240105123045', '1700000000', '1700000000000', '1700000000000000',
  '1999-2024', '12.05.2024 - 13.05.2024', '10:30:45.123',
  // prices and quantities
  '$1,234,567.89', '1.234.567,89 €', '€ 4155552671,50', '$415 555 2671', '+1500000 users',
  '+20,000,000', '2+12345678901', '4155552671.25', '4155552671%', '1e10', '3.141592653589793',
  // identifiers
  '550e8400-e29b-41d4-a716-446655440000', '12345678-1234-1234-1234-415555267100',
  '9b74c9897bac770ffc029102a200c5de', 'a4155552671b', 'ORD-123-456-7890', 'SKU415-555-2671', 'order 4155552671',
  'Order number: 4155552671', 'Order no. 415-555-2671', 'invoice #4155552671', '#4155552671', 'ticket id 4155552671',
  'id=4155552671', 'tracking 1234567890123456', '112-1234567-1234567', '0012345678', '00000000', '123456789',
  'https://example.org/item/4155552671', 'img_4155552671.jpg',
  // books
  'ISBN 0-306-40615-2', 'ISBN 0306406152', 'ISBN 3161484100', 'ISBN-10: 316-148-4100', '978-3-16-148410-0',
  'ISBN-13: 978-3-16-148410-0', '9783161484100', '978 3 16 148410 0', '9780306406157', '80-902734-1-6',
  // coordinates
  '52.520008, 13.404954', '37.7749295,-122.4194155', '37.774929 122.419415', '40°26′46″N 79°58′56″W',
  // nearly
  '000-12-3456', '666-12-3456', '123-00-4567', '123-45-0000', '123-45-67890', '1234-56-7890',
  '4111111111111112', '1111111111111117', '0.4111111111111111', '41111111111111111111111',
  '5 3 8 1 4 4 1 9 2 7 6 3 2 8 4',
  'DE88 3704 1144 0532 0130 00', 'DE8937040044053201300', 'ZZ89370400440532013000',
  'ann@localhost', '@ann', 'a @ b.example', 'logo@2x.png', 'ann@', '@example.org', 'ann@example', '50 @ 2.50',
  '256.1.1.1', '01.02.03.04',
  '555-2671', '(415) 555', '+49', '00', '12345', '1 2 3 4 5 6 7 8 9 10', '0010101010101010', '1000 2000 3000 4000',
  '100 200 3000', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
]

describe('redact', () => {
  it.each(REPLACED)('turns %j into %j', (text, redacted) => {
    expect(redact(text, KINDS).text).toBe(redacted)
  })

  it.each(UNTOUCHED.map((text) => [text]))('leaves %j as it is', (text) => {
    expect(redact(text, KINDS)).toEqual({ text, counts: {} })
  })

  it('counts by kind', () => {
    expect(redact('a@x.org b@x.org 10.0.0.1', KINDS).counts).toEqual({ email: 2, ip: 1 })
  })

  it.each<[Kind, string]>([
    ['email', '[EMAIL] 415-555-2671 123-45-6789 4111111111111111 DE89370400440532013000 8.8.8.8'],
    ['phone', 'a@x.org [PHONE] 123-45-6789 4111111111111111 DE89370400440532013000 8.8.8.8'],
    ['ssn', 'a@x.org 415-555-2671 [SSN] 4111111111111111 DE89370400440532013000 8.8.8.8'],
    ['card', 'a@x.org 415-555-2671 123-45-6789 [CARD] DE89370400440532013000 8.8.8.8'],
    ['iban', 'a@x.org 415-555-2671 123-45-6789 4111111111111111 [IBAN] 8.8.8.8'],
    ['ip', 'a@x.org 415-555-2671 123-45-6789 4111111111111111 DE89370400440532013000 [IP]'],
  ])('replaces only %s when nothing else is asked for', (kind, redacted) => {
    const text = 'a@x.org 415-555-2671 123-45-6789 4111111111111111 DE89370400440532013000 8.8.8.8'
    expect(redact(text, [kind])).toEqual({ text: redacted, counts: { [kind]: 1 } })
  })

  it('does not take a part of an account number that it shall leave for a telephone', () => {
    const text = 'DE89 3704 0044 0532 0130 00'
    expect(redact(text, ['phone']).text).toBe(text)
  })

  it('finds nothing more in what it has redacted', () => {
    for (const [, redacted] of REPLACED) expect(redact(redacted, KINDS).text).toBe(redacted)
  })
})

describe('redact on 200 KB of hostile text', () => {
  const size = 200_000
  const fill = (piece: string) => piece.repeat(Math.ceil(size / piece.length)).slice(0, size)

  it.each([
    'a', '.', '@', 'a@', 'a.', '@a.', 'a@a.', 'a.@', '"', '"a"@', '%40', 'a%40', "'", '-a', 'é', '中', '中@', '\u200b',
    '0', '0 ', '0-', '0.', '4', '4 ', '4.', '-', ' ', '(', '(1', '()', '+', '+1', '+1 ', '+4 ', '00', '00 ', '011 ',
    '555-', '555 555 ', '411 ', '4111 ', '37.', '(555) ', '1.1.1.', '255.', 'v', 'v1', 'v1.', 'version ', 'id', 'id ',
    'ssn ', 'ssn1', '#1', '#1-', 'AD10', 'AD10 ', 'aa00a ', 'DE', 'MT84 ', '978 ', '97', '00000000-0000-',
    '\ud835\udfd8', '٤', '\u00a0', '\ud800', '\0',
  ].map((piece) => [piece]))('leaves %j, over and over, as it is', (piece) => {
    const text = fill(piece)
    expect(redact(text, KINDS).text === text).toBe(true)
  })

  it('still finds what stands at the end', () => {
    for (const piece of ['a@', 'a.', '0 ', '4 ', '4111 ', '+1 ', '(', '@a.', '4.']) {
      expect(redact(`${fill(piece)}\n ann@example.org 10.0.0.1`, KINDS).text.endsWith('\n [EMAIL] [IP]')).toBe(true)
    }
  })

  it('replaces every one of many', () => {
    expect(redact('ann@example.org '.repeat(12_500), KINDS).counts).toEqual({ email: 12_500 })
    expect(redact('4111111111111111 '.repeat(12_500), KINDS).counts).toEqual({ card: 12_500 })
    expect(redact('+49 30 1234567, '.repeat(12_500), KINDS).counts).toEqual({ phone: 12_500 })
  })
})
