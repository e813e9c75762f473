import { createHash } from 'node:crypto'
import type { TSchema } from 'typebox'
import { ERRORS } from '../bridge/errors.ts'
import packageFile from '../package.json' with { type: 'json' }
import { typeText } from './docs-schema.ts'
import { DOMAINS } from './domains.ts'
import { errorsOf } from './openapi.ts'
import { inPath, type Operation } from './operation.ts'
import { requestFor } from './request-for.ts'

/** A page, and the only policy that it works under: no script, no network, and this one style. */
interface Docs {
  text: string
  policy: string
}

/**
 * The operations as one page to read: no script, nothing from elsewhere.
 *
 * @example docsPage(operations).text.startsWith('<!doctype html>')
 */
export function docsPage(operations: readonly Operation[]): Docs {
  const domains = [...new Set(operations.map(({ domain }) => domain))].toSorted()
  const of = (domain: string) => operations.filter((operation) => operation.domain === domain)
  const hash = createHash('sha256').update(STYLE).digest('base64')
  return {
    policy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    text: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bulkhead ${packageFile.version} API</title>
<style>${STYLE}</style>
<nav aria-label="Operations">
<h1><a href="#top">Bulkhead</a> <small>${packageFile.version}</small></h1>
${domains.map((domain) => navOf(domain, of(domain))).join('\n')}
</nav>
<main id="top">
<header>
<h2>The API</h2>
<p>JSON in and out, with the header <code>Authorization: Bearer &lt;key&gt;</code>. A key has scopes, and each operation
names the one it needs. Every error is <code>{"error": {"code", "message", "details"}}</code>.</p>
<p>A write that carries an <code>Idempotency-Key</code> is done once, however often it is sent within 24 hours. One with
<code>If-Match</code> is done only while the resource is as it was read. The same table as a document for programs:
<a href="/openapi.json">/openapi.json</a>.</p>
</header>
${domains.map((domain) => `<section aria-labelledby="${domain}">\n<h2 id="${domain}">${domain}</h2>\n<p>${text(DOMAINS[domain] ?? '')}</p>\n${of(domain).map(articleOf).join('\n')}\n</section>`).join('\n')}
</main>
</html>
`,
  }
}

function navOf(domain: string, operations: readonly Operation[]): string {
  const items = operations.map(({ name }) => `<li><a href="#${name}">${name.slice(domain.length + 1)}</a></li>`)
  return `<h3><a href="#${domain}">${domain}</a></h3>\n<ul>${items.join('')}</ul>`
}

function articleOf(operation: Operation): string {
  const { name, method, path, summary, description, scope, dangerous, long, tagged, matches, output, streams, statuses } = operation
  const marks = [
    dangerous && '<li class="danger">needs confirm=true</li>',
    long && '<li>may answer 202</li>',
    tagged && '<li>ETag</li>',
    matches && '<li>If-Match</li>',
    streams !== undefined && `<li>${text(streams)}</li>`,
  ].filter(Boolean)
  const errors = [...new Set(errorsOf(operation))].toSorted((one, other) => ERRORS[one].status - ERRORS[other].status)
  const answer = streams === undefined ? `<pre>${text(typeText(output))}</pre>` : `<p><code>${text(streams)}</code>, as it is made</p>`
  return `<article aria-labelledby="${name}">
<h3 id="${name}"><a href="#${name}">${name}</a></h3>
<p class="route"><b class="${method.toLowerCase()}">${method}</b> <code>${text(path).replace(/:\w+/g, '<i>$&</i>')}</code></p>
<p>${text(summary)}.</p>${description === undefined ? '' : `\n${description.split('\n\n').map((part) => `<p>${text(part).replace(/`([^`]+)`/g, '<code>$1</code>')}</p>`).join('\n')}`}
<ul class="marks"><li>scope <code>${scope}</code></li>${marks.join('')}</ul>
${inputsOf(operation)}<details><summary>Example</summary><pre>${text(curlOf(operation))}</pre></details>
<details><summary>Answers ${[...new Set([...statuses, ...(long ? [202] : [])])].toSorted().join(', ')}</summary>${answer}</details>
<details><summary>Errors</summary><p>${errors.map((code) => `<code>${ERRORS[code].status} ${code}</code>`).join(' ')}</p></details>
</article>`
}

function inputsOf({ input, path, body, upload }: Operation): string {
  const properties = Object.entries(input.properties as Record<string, TSchema>)
  if (properties.length === 0) return ''
  const required = (input.required ?? []) as readonly string[]
  const place = (name: string) => (name === body || name === upload ? 'body' : inPath(path).includes(name) ? 'path' : 'query')
  const rows = properties.map(([name, schema]) => {
    const cells = [`<th scope="row"><code>${name}</code>${required.includes(name) ? '' : ' <small>optional</small>'}</th>`, `<td>${place(name)}</td>`]
    const type = `<td><pre>${text(name === upload ? 'as it comes' : typeText(schema))}</pre>${noteOn(schema)}</td>`
    return `<tr>${cells.join('')}${type}</tr>`
  })
  return `<table><thead><tr><th scope="col">Input</th><th scope="col">in</th><th scope="col">is</th></tr></thead><tbody>${rows.join('')}</tbody></table>\n`
}

function noteOn(schema: TSchema): string {
  const { description, expects, default: usual, minimum, maximum, maxLength } = schema as Record<string, unknown>
  const notes = [
    description ?? (expects === 'an object' ? undefined : expects),
    usual === undefined ? undefined : `${JSON.stringify(usual)} unless given`,
    minimum === undefined && maximum === undefined ? undefined : `from ${minimum ?? '…'} to ${maximum ?? '…'}`,
    maxLength === undefined ? undefined : `at most ${maxLength} characters`,
  ].filter((note) => note !== undefined)
  return notes.length === 0 ? '' : `<small>${text(notes.join('; '))}</small>`
}

function curlOf(operation: Operation): string {
  const { method, path, body } = requestFor(operation, operation.example)
  const sent = body === undefined ? '' : ` \\\n  -H 'content-type: application/json' \\\n  -d ${quoted(JSON.stringify(body))}`
  const upload = operation.upload === undefined ? '' : ' \\\n  --data-binary @FILE'
  return `curl${method === 'GET' ? '' : ` -X ${method}`} "$BULKHEAD_URL"${quoted(path)} \\\n  -H "Authorization: Bearer $BULKHEAD_KEY"${sent}${upload}`
}

const quoted = (value: string): string => `'${value.replaceAll("'", `'\\''`)}'`

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const text = (value: string): string => value.replace(/[&<>"']/g, (character) => ENTITIES[character]!)

const STYLE = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 6%, transparent); --link: light-dark(#0b57d0, #8ab4f8) }
* { box-sizing: border-box }
html { scroll-padding-top: 1rem }
body { margin: 0; display: grid; grid-template-columns: 15rem minmax(0, 1fr); font: 15px/1.5 system-ui, sans-serif; color: light-dark(#1f2328, #e6e6e6); background: light-dark(#fff, #16181c) }
a { color: var(--link); text-decoration: none }
a:hover, a:focus-visible { text-decoration: underline }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1rem 1.25rem; border-right: 1px solid var(--line) }
nav h1 { font-size: 1.1rem; margin: 0 0 1rem }
nav h3 { font-size: .8rem; margin: 1rem 0 .2rem; text-transform: uppercase; letter-spacing: .05em }
nav h3 a, h3 a { color: inherit }
nav ul { list-style: none; margin: 0; padding: 0 }
nav li a { display: block; padding: .1rem 0 .1rem .6rem; border-left: 2px solid var(--line) }
main { padding: 1.5rem 2.5rem 6rem; max-width: 62rem }
section > h2 { margin-top: 3rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); text-transform: capitalize }
article { padding: 1rem 0 1.25rem; border-bottom: 1px solid var(--line) }
article h3 { margin: 0; font: 600 1.05rem ui-monospace, monospace }
article p { margin: .4rem 0 }
.route b { display: inline-block; min-width: 4.2rem; padding: .05rem .5rem; border-radius: .3rem; text-align: center; font: 600 .8rem/1.5 ui-monospace, monospace; color: #fff; background: #57606a }
.route .get { background: #1a6b3c } .route .post { background: #0b57d0 } .route .put, .route .patch { background: #8a5a00 } .route .delete { background: #b3261e }
code, pre { font: .88em/1.5 ui-monospace, monospace }
code { padding: .05em .3em; border-radius: .25rem; background: var(--soft) }
pre { margin: .4rem 0; padding: .6rem .8rem; border-radius: .4rem; background: var(--soft); overflow-x: auto }
.marks { display: flex; flex-wrap: wrap; gap: .4rem; list-style: none; margin: .5rem 0; padding: 0; font-size: .85rem }
.marks li { padding: .05rem .6rem; border: 1px solid var(--line); border-radius: 1rem }
.marks .danger { border-color: #b3261e; color: light-dark(#b3261e, #ff8a80) }
table { width: 100%; border-collapse: collapse; margin: .6rem 0 }
th, td { padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-weight: normal }
thead th { border: 0; font-size: .8rem; opacity: .75 }
th small, td small { display: block; opacity: .75 }
td pre { margin: 0; padding: 0; background: none; white-space: pre-wrap }
summary { cursor: pointer; color: var(--link); padding: .1rem 0 }
@media (max-width: 50rem) { body { display: block } nav { position: static; height: auto; border: 0 } nav ul { display: none } nav h3 { display: inline-block; margin: 0 .8rem .2rem 0 } main { padding: 1rem } }
`
