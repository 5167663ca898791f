const padding = 3;
const narrowest = 2;

/**
 * Aligns text whose cells end in tabs, as Go's text/tabwriter with padding 3 does, which Hubble prints its tables with: a column is a run of lines
 * that have a cell there, so that it is as wide as its widest cell, and the last cell of a line belongs to none.
 */
export function alignTabs(text: string): string {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const widths: number[][] = lines.map(() => []);
  layOut(lines, widths, 0, 0, lines.length);
  return lines
    .map((cells, row) =>
      cells
        .map((cell, column) => (column === cells.length - 1 ? cell : cell + ' '.repeat((widths[row]?.[column] ?? 0) - lengthOf(cell))))
        .join(''),
    )
    .join('\n');
}

/** Gives every run of lines from `from` to `to` that has a cell in `column` its width, and goes on to the right in each. */
function layOut(lines: readonly (readonly string[])[], widths: number[][], column: number, from: number, to: number): void {
  let row = from;
  while (row < to) {
    if ((lines[row]?.length ?? 0) <= column + 1) {
      row += 1;
      continue;
    }
    const start = row;
    let width = narrowest;
    for (; row < to && (lines[row]?.length ?? 0) > column + 1; row++)
      width = Math.max(width, lengthOf(lines[row]?.[column] ?? '') + padding);
    for (let line = start; line < row; line++) widths[line]?.push(width);
    layOut(lines, widths, column + 1, start, row);
  }
}

/** Characters, as Go counts them. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}
