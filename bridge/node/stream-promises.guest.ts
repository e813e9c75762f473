import stream from 'readable-stream'

const promises = stream['promises'] as Record<'pipeline' | 'finished', (...args: unknown[]) => Promise<void>>
export const { pipeline, finished } = promises
export default promises
