import { UserError } from '../base/errors.ts';
import type { LoadOptions } from '../manifests/load.ts';
import type { ParsedManifests } from '../manifests/parse.ts';
import type { ManifestWarning } from '../manifests/types.ts';
import type { CommandEnvironment, Output } from './command.ts';
import { instanceOption } from './instance.ts';

/** `--instance` of every lab command. */
export const labInstance = instanceOption('lab');

/** What a command that is printed needs to mean the same lab; empty for the usual one. */
export function suffix(instance: string): string {
  return instance === labInstance.default ? '' : ` --instance ${instance}`;
}

/** `-f` of apply, delete and up. */
export const fileOption = {
  kind: 'list',
  short: 'f',
  value: 'FILE',
  summary: 'a manifest file, a folder of them, or - for standard input',
} as const;

/** `-n` where objects may lack a namespace. */
export const defaultNamespaceOption = {
  kind: 'text',
  short: 'n',
  value: 'NAMESPACE',
  summary: 'namespace of objects that name none (default: default)',
} as const;

/** `-n` where a pod is looked for. */
export const podNamespaceOption = {
  kind: 'text',
  short: 'n',
  value: 'NAMESPACE',
  summary: 'look for the pod in this namespace only',
} as const;

/** Reads what `-f` names. @throws UserError USAGE without any, MANIFEST_INVALID where there is no object in them; what loadManifestFiles throws */
export async function readFiles(
  files: readonly string[],
  namespace: string | null,
  { signal }: Pick<CommandEnvironment, 'signal'>,
): Promise<ParsedManifests> {
  if (files.length === 0) {
    throw new UserError('USAGE', 'Cannot tell which objects are meant because no file is given: -f is missing', {
      cure: 'Name a file, a folder or - with -f.',
      exitCode: 2,
    });
  }
  const { loadManifestFiles } = await import('../manifests/load.ts');
  const options: LoadOptions = { signal, ...(namespace === null ? {} : { defaultNamespace: namespace }) };
  const parsed = await loadManifestFiles(files, options);
  if (parsed.manifests.length > 0) return parsed;
  throw new UserError('MANIFEST_INVALID', `Cannot tell which objects are meant because the files hold none: ${files.join(', ')}`, {
    cure: 'Name files with objects in them; one that is empty, or comments only, is most often the wrong one.',
  });
}

/** One line per warning, with its place. */
export function printWarnings(output: Output, warnings: readonly ManifestWarning[]): void {
  for (const { message, position } of warnings) {
    output.write(`warning: ${message}${position === null ? '' : ` (${position.file}:${position.line})`}\n`);
  }
}
