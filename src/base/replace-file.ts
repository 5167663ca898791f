import { rename, rm, writeFile } from 'node:fs/promises';
import { asWriteError } from './write-error.ts';

/** What is kept so is what the agent was asked for, and that holds first. */
const meanwhile = 'It holds already, but a new agent would not know it.';

/** Characters that are written at once. */
const pieceLength = 65536;

/**
 * Writes a JSON object in the place of the file, whole or not at all, also when the machine fails. Fields that are lists are written some items at a
 * time: a cluster's are megabytes as text. Throws UserError FILE_UNWRITABLE where the disk is full or takes no writes; then the file is as it was.
 */
export function replaceObject(path: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
  return replaceFile(path, objectTexts(fields));
}

/** As replaceObject(), of a list. */
export function replaceList(path: string, items: Iterable<unknown>): Promise<void> {
  return replaceFile(path, listTexts(items));
}

async function replaceFile(path: string, texts: Iterable<string>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, ended(texts), { mode: 0o600, flush: true });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw asWriteError(error, 'remember what the agent was asked for', path, meanwhile);
  }
}

function* ended(texts: Iterable<string>): Iterable<string> {
  yield* texts;
  yield '\n';
}

function* objectTexts(fields: Readonly<Record<string, unknown>>): Iterable<string> {
  let before = '{';
  for (const [key, value] of Object.entries(fields)) {
    yield `${before}${JSON.stringify(key)}:`;
    if (Array.isArray(value)) yield* listTexts(value);
    else yield JSON.stringify(value);
    before = ',';
  }
  yield before === '{' ? '{}' : '}';
}

function* listTexts(items: Iterable<unknown>): Iterable<string> {
  let text = '[';
  let before = '';
  for (const item of items) {
    text += before + JSON.stringify(item);
    before = ',';
    if (text.length < pieceLength) continue;
    yield text;
    text = '';
  }
  yield `${text}]`;
}
