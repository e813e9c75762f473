export { Buffer } from './buffer.guest.ts'
