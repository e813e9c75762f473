export const isatty = (_descriptor: unknown): boolean => false
export default { isatty }
