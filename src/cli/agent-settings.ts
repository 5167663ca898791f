import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { AgentConfig } from '../agent/config.ts';
import { instancePaths } from '../api/paths.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { bpfObjectPath, version } from '../base/project.ts';
import { findBpffs, findCgroup2, isBpffs } from '../kernel/index.ts';
import { modeOf } from './acceleration-words.ts';
import type { FlowCommandLine } from './flow-settings.ts';
import { flowFileKeys, flowSettings } from './flow-settings.ts';

const fileSchema = z.strictObject({
  instance: z.string().optional(),
  cgroup: z.string().startsWith('/').optional(),
  pins: z.string().startsWith('/').optional(),
  stats: z.boolean().optional(),
  accelerate: z.enum(['auto', 'on', 'off']).optional(),
  ...flowFileKeys,
});

type FileSettings = z.infer<typeof fileSchema>;

export interface AgentOptions extends FlowCommandLine {
  readonly config: string | null;
  readonly instance: string;
  readonly cgroup: string | null;
  readonly pins: string | null;
  readonly stats: boolean;
  readonly accelerate: string | null;
  readonly 'node-netns': string | null;
}

/**
 * The agent's configuration out of the command line, the file and what the machine has, in this order.
 * Throws UserError FILE_UNREADABLE, USAGE, MACHINE_NO_CGROUP2, MACHINE_NO_BPFFS, BPF_OBJECT_MISSING.
 */
export async function agentSettings(options: AgentOptions, checkInstance: (name: string) => string): Promise<AgentConfig> {
  const file = options.config === null ? {} : await readSettings(options.config);
  const instance = checkInstance(options.instance === 'default' ? (file.instance ?? 'default') : options.instance);
  const paths = instancePaths(instance);
  return {
    instance,
    version,
    cgroup: options.cgroup ?? file.cgroup ?? join(findCgroup2(), 'millrace', instance, 'pods'),
    pins: await pinDirectory(options.pins ?? file.pins ?? null, instance),
    socket: paths.agentSocket,
    state: paths.agentState,
    accelerate: modeOf(options.accelerate) ?? file.accelerate ?? 'auto',
    accelerationFile: paths.agentAcceleration,
    policyState: paths.agentPolicies,
    nodeNetns: options['node-netns'],
    flows: flowSettings(options, file, paths.hubbleSocket),
    object: bpfObjectPath(),
    statistics: options.stats || file.stats === true,
    reconcileEveryMs: 3000,
  };
}

async function readSettings(path: string): Promise<FileSettings> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UserError('FILE_UNREADABLE', `Cannot read the configuration because the file does not open: ${path}`, {
      cure: 'Check the path.',
      cause,
    });
  });
  let value: unknown;
  try {
    value = parse(text);
  } catch (cause) {
    throw new UserError('USAGE', `Cannot read ${path} because it is not YAML: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cure: 'Mend the file.',
      exitCode: exitCodes.usage,
      cause,
    });
  }
  const parsed = fileSchema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError('USAGE', `Cannot use ${path} because of ${issue?.path.join('.') || 'its keys'}: ${issue?.message ?? 'wrong'}`, {
    cure: 'Known keys: instance, cgroup, pins, stats, accelerate, and those of flows (docs/flows.md).',
    exitCode: exitCodes.usage,
  });
}

async function pinDirectory(given: string | null, instance: string): Promise<string> {
  if (given !== null) {
    if (isBpffs(given) || isBpffs(dirname(given))) return given;
    throw noBpffs(`${given} does not lie on one`);
  }
  const mount = findBpffs();
  if (mount === null) throw noBpffs('none is mounted');
  await mkdir(join(mount, 'millrace'), { recursive: true, mode: 0o700 });
  return join(mount, 'millrace', instance);
}

function noBpffs(why: string): UserError {
  return new UserError('MACHINE_NO_BPFFS', `Cannot pin programs because a bpf file system is needed: ${why}`, {
    cure: 'Mount one.',
    command: 'mount -t bpf bpf /sys/fs/bpf',
    exitCode: exitCodes.machine,
  });
}
