/** The items of a comma separated list, trimmed; empty items are ignored. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
