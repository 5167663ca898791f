import { UserError } from '../base/errors.ts';

/** `--instance`: one name for the sockets, pins and cgroups that belong together. */
export function instanceOption(preset: string) {
  return { kind: 'text', value: 'NAME', default: preset, summary: 'which instance, where several run on one machine' } as const;
}

/** Throws UserError USAGE unless the name is an RFC 1123 label, because it becomes part of paths. */
export function checkInstance(name: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return name;
  throw new UserError('USAGE', `Cannot use this instance because its name is not a label: current value ${JSON.stringify(name)}`, {
    cure: 'Use lower case letters, digits and dashes, at most 63, beginning and ending with a letter or digit.',
    exitCode: 2,
  });
}
