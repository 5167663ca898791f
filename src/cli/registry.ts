import type { Command } from './command.ts';

/** A command by name, with what the help needs; the module behind it loads when it is called. */
export interface CommandEntry {
  /** Noun, then verb: `lab up`. */
  readonly name: string;
  /** Half a sentence, in lower case, without a full stop. */
  readonly summary: string;
  /** Started by another command, not by people: the help leaves it out. */
  readonly internal: boolean;
  load(): Promise<Command>;
}

/** One line of commands.ts. */
export function entry(name: string, summary: string, load: () => Promise<Command>, internal = false): CommandEntry {
  return { name, summary, internal, load };
}
