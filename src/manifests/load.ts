import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { UserError } from '../base/errors.ts';
import { IssueList } from './issues.ts';
import type { ParsedManifests, ParseOptions } from './parse.ts';
import { checkSize, parseManifests, reportDuplicates } from './parse.ts';
import type { Manifest, ManifestWarning } from './types.ts';
import { limits } from './yaml-tree.ts';

export interface LoadOptions extends ParseOptions {
  /** What `-` reads; the process's standard input unless told. */
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
}

/**
 * Reads everything that `-f` names: files, directories (their .yaml, .yml and .json files by name, not those below them), and `-` for standard input.
 * All of it is one apply: the limits of `parseManifests` hold for the sum, and an object may be in one file only.
 * Throws as `parseManifests`, and UserError FILE_UNREADABLE; an aborted signal rejects with its reason.
 */
export async function loadManifestFiles(paths: readonly string[], options: LoadOptions = {}): Promise<ParsedManifests> {
  const manifests: Manifest[] = [];
  const warnings: ManifestWarning[] = [];
  let bytes = 0;
  for (const path of await expand(paths)) {
    const { name, text, size } = await readText(path, limits.bytes - bytes, options);
    bytes += size;
    const parsed = parseManifests(text, name, options);
    manifests.push(...parsed.manifests);
    warnings.push(...parsed.warnings);
    if (manifests.length > limits.documents) throw tooMany(name);
  }
  const issues = new IssueList();
  reportDuplicates(manifests, issues);
  issues.throwIfAny();
  return { manifests, warnings };
}

function tooMany(name: string): UserError {
  return new UserError(
    'MANIFEST_TOO_LARGE',
    `Cannot read ${name} because an apply is limited to ${limits.documents} objects in all its files`,
    {
      cure: 'Apply the files one after the other.',
      where: { file: name, line: 1, column: 1 },
    },
  );
}

async function expand(paths: readonly string[]): Promise<readonly string[]> {
  const files: string[] = [];
  for (const path of paths) {
    if (/^https?:\/\//.test(path)) throw unreadable(path, 'it is a URL', 'Download it first and give the file.');
    if (path === '-' || !(await isDirectory(path))) {
      files.push(path);
      continue;
    }
    const entries = (await readdir(path)).filter((entry) => /\.(ya?ml|json)$/.test(entry)).sort();
    if (entries.length === 0)
      throw unreadable(path, 'the directory holds no .yaml, .yml or .json file', 'Give a directory with manifests, or a file.');
    files.push(...entries.map((entry) => join(path, entry)));
  }
  if (files.filter((file) => file === '-').length > 1) throw unreadable('-', 'standard input can be read only once', 'Give - once.');
  return files;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw unreadable(
      path,
      reasonOf(cause),
      'Give the path of a file or directory that exists and can be read, or - for standard input.',
      cause,
    );
  }
}

/** Reads at most `allowed` bytes: a path may be a pipe or a device without end. */
async function readText(path: string, allowed: number, options: LoadOptions): Promise<{ name: string; text: string; size: number }> {
  const name = path === '-' ? 'standard input' : path;
  const { signal } = options;
  signal?.throwIfAborted();
  const stream = path === '-' ? (options.stdin ?? process.stdin) : createReadStream(path, signal === undefined ? {} : { signal });
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      signal?.throwIfAborted();
      const piece = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
      size += piece.length;
      if (size > allowed) checkSize(limits.bytes - allowed + size, name);
      chunks.push(piece);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof UserError) throw cause;
    throw unreadable(path, reasonOf(cause), 'Give a file that exists and can be read.', cause);
  }
  return { name, text: decodeText(Buffer.concat(chunks), name), size };
}

function decodeText(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError('MANIFEST_SYNTAX', `Cannot read ${name} because it is not UTF-8 text`, {
      cure: 'Save the file as UTF-8.',
      where: { file: name, line: 1, column: 1 },
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'reading it is not allowed';
  return cause instanceof Error ? cause.message : String(cause);
}

function unreadable(path: string, reason: string, cure: string, cause?: unknown): UserError {
  return new UserError('FILE_UNREADABLE', `Cannot read manifests because ${reason}: current value ${JSON.stringify(path)}`, {
    cure,
    cause,
    data: { path },
  });
}
