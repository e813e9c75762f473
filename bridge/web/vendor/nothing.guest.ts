/** In the place of what whatwg-url imports for its effect alone: encodings that a URL of the API never has. */
export const nothing = undefined
