import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from '../../src/base/project.ts';

/** What a tool said and how it ended. */
export interface ToolResult {
  readonly status: number | null;
  /** Standard output and error, as they came. */
  readonly output: string;
}

/** Runs a program of node_modules/.bin in the project's folder, without colours. */
export async function runTool(name: string, args: readonly string[]): Promise<ToolResult> {
  return run(join(projectRoot(), 'node_modules/.bin', name), args);
}

/** Runs one of our own scripts in tools/. */
export async function runScript(name: string, args: readonly string[]): Promise<ToolResult> {
  return run(process.execPath, [join(projectRoot(), 'tools', name), ...args]);
}

async function run(program: string, args: readonly string[]): Promise<ToolResult> {
  const { FORCE_COLOR: _unset, ...env } = process.env;
  const child = spawn(program, args, { cwd: projectRoot(), env: { ...env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
  }
  const [status] = await once(child, 'close');
  return { status, output };
}
