interface UrlLike {
  protocol: string
  pathname: string
}

/** The absolute path, without `.` and `..`, that a path or a `file:` address means in a folder. */
export function resolvePath(path: unknown, cwd: string): string {
  const text = pathText(path)
  const parts: string[] = []
  for (const part of (text.startsWith('/') ? text : `${cwd}/${text}`).split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return '/' + parts.join('/')
}

/** A path as it was written, for the words of an error. @throws TypeError for an address that is no `file:` */
export function pathText(path: unknown): string {
  const text = isUrl(path) ? fromUrl(path) : String(path)
  if (text.includes('\0')) throw new TypeError('cannot use the path, it has a NUL character in it')
  return text
}

function fromUrl({ protocol, pathname }: UrlLike): string {
  if (protocol !== 'file:') throw new TypeError('Must be a file URL')
  return decodeURIComponent(pathname.replaceAll(/%(?![0-9A-Fa-f]{2})/g, '%25'))
}

function isUrl(path: unknown): path is UrlLike {
  return typeof path === 'object' && path !== null && 'protocol' in path && 'pathname' in path
}
