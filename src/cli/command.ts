/** A positional argument; the order of the keys in `arguments` is the order on the command line. */
export interface ArgumentSpec {
  readonly kind: 'required' | 'optional' | 'variadic';
  readonly summary: string;
}

interface OptionBase {
  readonly summary: string;
  /** One letter, without the dash. */
  readonly short?: string;
}

/** `--name`. */
export interface FlagSpec extends OptionBase {
  readonly kind: 'flag';
}

/** `--name VALUE`; null where it is not given, or the default. */
export interface TextSpec extends OptionBase {
  readonly kind: 'text';
  /** How the help calls the value, in capitals. */
  readonly value: string;
  readonly default?: string;
}

/** `--name VALUE`, as often as one likes; `--name A B` does not take two. */
export interface ListSpec extends OptionBase {
  readonly kind: 'list';
  readonly value: string;
}

/** `--name N`: a whole number. */
export interface NumberSpec extends OptionBase {
  readonly kind: 'number';
  readonly value: string;
  readonly minimum: number;
  readonly maximum: number;
  readonly default?: number;
}

/** `--name ONE|OF|THESE`. */
export interface ChoiceSpec extends OptionBase {
  readonly kind: 'choice';
  readonly choices: readonly string[];
  /** Other spellings of some of them, which the help leaves out. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly default?: string;
}

export type OptionSpec = FlagSpec | TextSpec | ListSpec | NumberSpec | ChoiceSpec;

/** Options by their long name: `dry-run` is `--dry-run` on the command line and `context.options['dry-run']` in the code. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;
export type ArgumentSpecs = Readonly<Record<string, ArgumentSpec>>;

type WithDefault<S extends OptionSpec, Value> = S extends { readonly default: unknown } ? Value : Value | null;

type OptionValue<S extends OptionSpec> = S extends FlagSpec
  ? boolean
  : S extends ListSpec
    ? readonly string[]
    : S extends NumberSpec
      ? WithDefault<S, number>
      : S extends ChoiceSpec
        ? WithDefault<S, S['choices'][number]>
        : WithDefault<S, string>;

/** What `run` finds in `context.options`: missing values are null, never undefined. */
export type OptionValues<O extends OptionSpecs> = { readonly [Name in keyof O]: OptionValue<O[Name]> };

/** What `run` finds in `context.arguments`. */
export type ArgumentValues<A extends ArgumentSpecs> = {
  readonly [Name in keyof A]: A[Name]['kind'] extends 'variadic'
    ? readonly string[]
    : A[Name]['kind'] extends 'required'
      ? string
      : string | null;
};

/** Where a command writes. What it has written reaches the reader before the program ends, also through a pipe. */
export interface Output {
  write(text: string): unknown;
  /** true on a terminal: progress and colour are welcome. */
  readonly isTTY?: boolean;
}

/** What the world outside gives a command; tests give their own. */
export interface CommandEnvironment {
  /** Aborted on SIGINT, SIGTERM and when nobody reads stdout any more. Clean up and return; the frame sets the exit code (130, 143, 0). */
  readonly signal: AbortSignal;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: NodeJS.ProcessEnv;
}

export interface CommandContext<A extends ArgumentSpecs = ArgumentSpecs, O extends OptionSpecs = OptionSpecs> extends CommandEnvironment {
  readonly arguments: ArgumentValues<A>;
  readonly options: OptionValues<O>;
  /** The options as they stood on the command line, for a command to which their order matters. */
  readonly occurrences: readonly OptionOccurrence[];
}

/** One option on the command line; null where it took no value. */
export interface OptionOccurrence {
  readonly name: string;
  readonly value: string | null;
}

/** One command as data. Its name and summary stand in commands.ts, so that the help needs to load none of them. */
export interface CommandSpec<A extends ArgumentSpecs, O extends OptionSpecs> {
  /** Paragraphs below the summary in `--help`. */
  readonly description?: string;
  readonly arguments: A;
  readonly options: O;
  readonly examples?: readonly string[];
  /** Does the work; a number is the exit code (0–255), nothing is 0. Throws UserError for what the user can mend. */
  run(context: CommandContext<A, O>): Promise<number | undefined>;
}

/** A command whose types of arguments and options are no longer known: what the frame works with. */
export interface Command {
  readonly description: string | null;
  readonly arguments: ArgumentSpecs;
  readonly options: OptionSpecs;
  readonly examples: readonly string[];
  run(environment: CommandEnvironment, values: CommandValues): Promise<number>;
}

/** Parsed values, by name, in the shapes that ArgumentValues and OptionValues promise. */
export interface CommandValues {
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly options: Readonly<Record<string, unknown>>;
  readonly occurrences?: readonly OptionOccurrence[];
}

/** Declares a command; the types of `context.arguments` and `context.options` follow from the specifications. */
export function defineCommand<const A extends ArgumentSpecs, const O extends OptionSpecs>(spec: CommandSpec<A, O>): Command {
  return {
    description: spec.description ?? null,
    arguments: spec.arguments,
    options: spec.options,
    examples: spec.examples ?? [],
    run: async (environment, values) => {
      // parse.ts makes the values from these very specifications; the compiler cannot follow that through commander.
      const context: CommandContext<A, O> = {
        ...environment,
        arguments: values.arguments as ArgumentValues<A>,
        options: values.options as OptionValues<O>,
        occurrences: values.occurrences ?? [],
      };
      return (await spec.run(context)) ?? 0;
    },
  };
}
