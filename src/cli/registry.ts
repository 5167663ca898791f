import type { Command } from './command.ts';

/** A command by name, with what the help needs; the module behind it loads when it is called. */
export interface CommandEntry {
  /** Noun, then verb: `lab up`. */
  readonly name: string;
  /** Half a sentence, in lower case, without a full stop. */
  readonly summary: string;
  load(): Promise<Command>;
}

/** One line of commands.ts. */
export function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}
