import { Command as CommanderCommand, CommanderError, InvalidArgumentError, Option } from 'commander';
import { assertNever, exitCodes, UserError } from '../base/errors.ts';
import type { ArgumentSpecs, ChoiceSpec, Command, CommandValues, OptionOccurrence, OptionSpec, Output } from './command.ts';
import type { CommandEntry } from './registry.ts';

/** Characters that the choices of an option may take beside its name. */
const longChoices = 24;

/** What the command line asks for. */
export type Invocation =
  | { readonly kind: 'run'; readonly command: Command; readonly values: CommandValues }
  /** The help or the version; it has been written already. */
  | { readonly kind: 'answered' };

/**
 * Reads a command line by commander; loads only the command that is named. Throws UserError USAGE (exit code 2).
 * @param argv the words after the program's name
 */
export async function parseCommandLine(
  argv: readonly string[],
  entries: readonly CommandEntry[],
  version: string,
  output: { readonly stdout: Output; readonly stderr: Output },
): Promise<Invocation> {
  let chosen: Invocation = { kind: 'answered' };
  const complaints: string[] = [];
  const configure = (command: CommanderCommand): CommanderCommand =>
    command
      .exitOverride()
      .configureOutput({ writeOut: (text) => output.stdout.write(text), writeErr: (text) => complaints.push(text) })
      .showSuggestionAfterError(true);

  const program = configure(new CommanderCommand('millrace'))
    .description('eBPF traffic redirection for unmodified Istio')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 the machine cannot. Every command has --help.');
  const groups = new Map<string, CommanderCommand>([['', program]]);
  const wanted = entryOf(argv, entries);
  for (const entry of entries) {
    const words = entry.name.split(' ');
    const verb = words.pop() ?? '';
    const parent = groupOf(program, groups, words, configure, entries);
    const command = configure(parent.command(verb, { hidden: entry.internal }))
      .summary(entry.summary)
      .description(entry.summary);
    if (entry !== wanted) continue;
    const loaded = await entry.load();
    describe(command, entry, loaded);
    const occurrences: OptionOccurrence[] = [];
    for (const name of Object.keys(loaded.options)) {
      command.on(`option:${name}`, (value?: string | null) => occurrences.push({ name, value: value ?? null }));
    }
    command.action((...received: unknown[]) => {
      chosen = {
        kind: 'run',
        command: loaded,
        values: { arguments: argumentValues(loaded.arguments, received), options: optionValues(loaded, command), occurrences },
      };
    });
  }
  try {
    // Alone, the program's name asks for help.
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: 'answered' };
    throw usageError(error, complaints, wanted, argv, entries);
  }
  return chosen;
}

/** The entry whose words stand first on the command line; the longest one wins. */
function entryOf(argv: readonly string[], entries: readonly CommandEntry[]): CommandEntry | undefined {
  return entries
    .filter(({ name }) => name.split(' ').every((word, index) => argv[index] === word))
    .sort((a, b) => b.name.length - a.name.length)[0];
}

function groupOf(
  program: CommanderCommand,
  groups: Map<string, CommanderCommand>,
  words: readonly string[],
  configure: (command: CommanderCommand) => CommanderCommand,
  entries: readonly CommandEntry[],
): CommanderCommand {
  let parent = program;
  for (const [index, word] of words.entries()) {
    const name = words.slice(0, index + 1).join(' ');
    let group = groups.get(name);
    if (group === undefined) {
      group = configure(parent.command(word))
        .summary(`${verbsOf(name, entries)} (see millrace ${name} --help)`)
        .description(`commands of ${name}`)
        .helpCommand(false);
      groups.set(name, group);
    }
    parent = group;
  }
  return parent;
}

function verbsOf(group: string, entries: readonly CommandEntry[]): string {
  return entries
    .filter(({ name, internal }) => name.startsWith(`${group} `) && !internal)
    .map(({ name }) => name.slice(group.length + 1))
    .join(', ');
}

function describe(target: CommanderCommand, entry: CommandEntry, command: Command): void {
  const description = command.description === null ? entry.summary : `${entry.summary}\n\n${command.description}`;
  target.description(description);
  for (const [name, spec] of Object.entries(command.arguments)) {
    target.argument(spec.kind === 'required' ? `<${name}>` : spec.kind === 'optional' ? `[${name}]` : `[${name}...]`, spec.summary);
  }
  for (const [name, spec] of Object.entries(command.options)) target.addOption(commanderOption(name, spec));
  if (command.examples.length > 0) target.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`);
}

function commanderOption(name: string, spec: OptionSpec): Option {
  const dashes = spec.short === undefined ? `--${name}` : `-${spec.short}, --${name}`;
  switch (spec.kind) {
    case 'flag':
      return new Option(dashes, spec.summary);
    case 'text':
      return withDefault(new Option(`${dashes} <${spec.value}>`, spec.summary), spec.default);
    case 'list':
      return new Option(`${dashes} <${spec.value}>`, `${spec.summary} (may be repeated)`).argParser((value: string, previous: unknown) => [
        ...(Array.isArray(previous) ? previous : []),
        value,
      ]);
    case 'number':
      return withDefault(
        new Option(`${dashes} <${spec.value}>`, spec.summary).argParser((value: string) => wholeNumber(value, spec.minimum, spec.maximum)),
        spec.default,
      );
    case 'choice':
      return withDefault(choiceOption(name, dashes, spec), spec.default);
    default:
      return assertNever(spec, 'option');
  }
}

/** Choices stand in the place of the value; many of them, which would push every summary off a terminal of 80 columns, stand in the summary. */
function choiceOption(name: string, dashes: string, { choices, aliases, summary }: ChoiceSpec): Option {
  const inline = choices.join('|');
  const isLong = inline.length > longChoices;
  const value = isLong ? (name.split('-').at(-1) ?? name).toUpperCase() : inline;
  return new Option(`${dashes} <${value}>`, isLong ? `${summary}: one of ${choices.join(', ')}` : summary).argParser((given: string) => {
    const meant = aliases?.[given] ?? given;
    if (!choices.includes(meant)) throw new InvalidArgumentError(`It must be one of ${choices.join(', ')}.`);
    return meant;
  });
}

function withDefault(option: Option, value: string | number | undefined): Option {
  return value === undefined ? option : option.default(value);
}

function wholeNumber(value: string, minimum: number, maximum: number): number {
  const number = Number(value);
  if (!/^-?\d+$/.test(value) || number < minimum || number > maximum) {
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`);
  }
  return number;
}

function argumentValues(specs: ArgumentSpecs, received: readonly unknown[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(specs).map(([name, { kind }], index) => [name, received[index] ?? (kind === 'variadic' ? [] : null)]),
  );
}

function optionValues(command: Command, parsed: CommanderCommand): Record<string, unknown> {
  const values = new Map(parsed.options.map((option) => [option.long?.slice(2) ?? '', parsed.getOptionValue(option.attributeName())]));
  return Object.fromEntries(
    Object.entries(command.options).map(([name, spec]) => [
      name,
      values.get(name) ?? (spec.kind === 'flag' ? false : spec.kind === 'list' ? [] : null),
    ]),
  );
}

function usageError(
  error: CommanderError,
  complaints: readonly string[],
  wanted: CommandEntry | undefined,
  argv: readonly string[],
  entries: readonly CommandEntry[],
): UserError {
  const path = wanted?.name ?? groupNameOf(argv, entries);
  // A group without a verb makes commander print that group's help as an error; the first line of it says nothing about the cause.
  const reason =
    error.code === 'commander.help'
      ? 'a command is missing'
      : complaints
          .join('')
          .trim()
          .replace(/^error: /, '');
  const [first = '', ...rest] = reason.split('\n');
  const hint = rest.join(' ').replace(/[()]/g, '').trim();
  return new UserError(
    'USAGE',
    `Cannot read the command line because ${first.replace(/\.$/, '')}: millrace was given ${JSON.stringify(argv.join(' '))}`,
    {
      cure: hint === '' ? 'The help lists what is possible.' : hint,
      command: ['millrace', path, '--help'].filter((word) => word !== '').join(' '),
      exitCode: exitCodes.usage,
      cause: error,
    },
  );
}

/** The leading words that name a group of commands, for the hint where to find help; empty where there are none. */
function groupNameOf(argv: readonly string[], entries: readonly CommandEntry[]): string {
  const first = argv[0] ?? '';
  return entries.some(({ name }) => name.startsWith(`${first} `)) ? first : '';
}
