/** Colours for the parts of a flow; without colour every one is the identity. */
export interface Painter {
  port(text: string): string;
  host(text: string): string;
  identity(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  noted(text: string): string;
  /** Makes what came from outside harmless for a terminal; escape sequences of this painter stay. */
  escape(text: string): string;
}

const reset = '\u001b[0m';
const colours = {
  red: '\u001b[31m',
  green: '\u001b[32m',
  yellow: '\u001b[33m',
  blue: '\u001b[34m',
  magenta: '\u001b[35m',
  cyan: '\u001b[36m',
};
const known = [...Object.values(colours), reset];

/** Hubble's colours. */
export const coloured: Painter = {
  port: paint(colours.yellow),
  host: paint(colours.cyan),
  identity: paint(colours.magenta),
  good: paint(colours.green),
  bad: paint(colours.red),
  noted: paint(colours.yellow),
  escape: (text) => text.replace(/\u001b(?:\[[0-9;]*m)?|[\r\u0080-\u009f]/g, (found) => (known.includes(found) ? found : escapeAll(found))),
};

const same = (text: string): string => text;

/** No colours. */
export const plain: Painter = { port: same, host: same, identity: same, good: same, bad: same, noted: same, escape: escapeAll };

function paint(colour: string): (text: string) => string {
  return (text) => colour + text + reset;
}

/** As Hubble does, and for the one-character forms of escape sequences (U+009B), which some terminals obey. */
function escapeAll(text: string): string {
  return text
    .replaceAll('\u001b', '^[')
    .replaceAll('\r', '\\r')
    .replace(/[\u0080-\u009f]/g, (control) => `\\x${control.charCodeAt(0).toString(16)}`);
}
