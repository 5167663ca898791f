import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { AccelerationMode } from '../api/types.ts';
import { replaceObject } from '../base/replace-file.ts';

/** The mode that holds, and who said so. */
export interface ChosenMode {
  readonly mode: AccelerationMode;
  /** `command`: while the agent, or an earlier one, ran; `start`: the option that this one was started with. */
  readonly by: 'command' | 'start';
}

const schema = z.object({ mode: z.enum(['auto', 'on', 'off']), option: z.enum(['auto', 'on', 'off']) });

/**
 * What was said last holds: a mode that was set while an agent ran outlives that agent, until one is started with another option than the one
 * it was set under. A file that is missing or damaged says nothing.
 */
export async function readMode(path: string, option: AccelerationMode): Promise<ChosenMode> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const kept = schema.safeParse(parsed(text));
  if (kept.success && kept.data.option === option) return { mode: kept.data.mode, by: 'command' };
  await rm(path, { force: true });
  return { mode: option, by: 'start' };
}

/** Keeps a mode that was set while the agent runs that was started with `option`. @throws UserError FILE_UNWRITABLE where the disk is full */
export async function writeMode(path: string, mode: AccelerationMode, option: AccelerationMode): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await replaceObject(path, { mode, option });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
