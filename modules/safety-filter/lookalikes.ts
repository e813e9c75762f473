/** Signs that stand for a letter inside a word and are punctuation elsewhere. */
export const SIGNS: ReadonlySet<string> = new Set(['@', '$', '€', '!', '|'])

/** The letter that a sign or a digit stands for. */
export const STAND_INS: ReadonlyMap<string, string> = new Map(
  Object.entries({ '@': 'a', $: 's', '€': 'e', 0: 'o', 3: 'e', 4: 'a', 5: 's', 7: 't', 8: 'b', 9: 'g' }),
)

/** The signs and digits that stand for an i as well as for an l. */
export const STROKES: ReadonlySet<string> = new Set(['1', '!', '|'])

/** Letters of other scripts, and unusual ones of the Latin script, that look like one of a to z. */
export const LETTERS: ReadonlyMap<string, string> = new Map([
  // Cyrillic
  ...pairs('авекмнорстухіјѕԁԛԝһӏ', 'abekmhopctyxijsdqwhl'),
  ...pairs('АВЕКМНОРСТУХІЈЅԀԚԜҺӀ', 'abekmhopctyxijsdqwhl'),
  // Greek, in which capitals and small letters resemble different ones
  ...pairs('αβεηικνορτυχγωμ', 'abenikvoptuxywu'),
  ...pairs('ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ', 'abezhikmnoptyx'),
  // Latin with strokes, without dots, in small capitals
  ...pairs('øłđħŧƀıɡɑ', 'oldhtbiga'),
  ...pairs('ØŁĐĦŦ', 'oldht'),
  ...pairs('ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ', 'abcdefghijklmnoprstuvwyz'),
])

/** A letter of Cyrillic or Greek that looks like none of ours: a text that has one is written in that script. */
export const GENUINE = new RegExp(`[[\\p{Script=Cyrillic}\\p{Script=Greek}]--[${[...LETTERS.keys()].join('')}]]`, 'v')

function pairs(from: string, to: string): Array<[string, string]> {
  return [...from].map((letter, i) => [letter, to.charAt(i)])
}
