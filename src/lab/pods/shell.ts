/** One word for a POSIX shell, quoted so that nothing in it means anything. NUL cannot be passed and is refused. */
export function shellQuote(word: string): string {
  if (word.includes('\0')) throw new RangeError(`Cannot quote a word for the shell because it contains NUL: ${JSON.stringify(word)}`);
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function shellWords(words: readonly string[]): string {
  return words.map(shellQuote).join(' ');
}
