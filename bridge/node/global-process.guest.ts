export { default as process } from './process.guest.ts'
