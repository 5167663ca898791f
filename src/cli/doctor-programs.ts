import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { envoyCandidate } from '../base/project.ts';

/** What one program of the machine is for, and whether it is there. */
export interface ProgramReport {
  readonly name: string;
  readonly path: string | null;
  /** As the program itself says it; null where it is missing or says nothing readable. */
  readonly version: string | null;
  readonly required: boolean;
  /** What does not work without it. */
  readonly costs: string;
  readonly cure: string;
}

interface ProgramSpec {
  readonly name: string;
  readonly candidates: readonly string[];
  readonly versionFlag: string;
  readonly required: boolean;
  readonly costs: string;
  readonly cure: string;
}

function programSpecs(env: NodeJS.ProcessEnv): readonly ProgramSpec[] {
  return [
    {
      name: 'envoy',
      candidates: [envoyCandidate(env)],
      versionFlag: '--version',
      required: true,
      costs: 'no sidecar starts: no lab, no demo',
      cure: 'npm run setup, or MILLRACE_ENVOY=/path/to/envoy',
    },
    {
      name: 'ip',
      candidates: ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip'],
      versionFlag: '-V',
      required: true,
      costs: 'no network can be laid between pods: no lab, no demo',
      cure: 'apt-get install iproute2',
    },
    {
      name: 'curl',
      candidates: ['/usr/bin/curl', '/bin/curl'],
      versionFlag: '--version',
      required: true,
      costs: 'the sample pod sleep has no client: no demo',
      cure: 'apt-get install curl',
    },
    {
      name: 'iptables',
      candidates: ['/usr/sbin/iptables', '/sbin/iptables'],
      versionFlag: '--version',
      required: false,
      costs: 'no redirection by iptables, and no comparison with it',
      cure: 'apt-get install iptables',
    },
    {
      name: 'postgres',
      candidates: ['/usr/lib/postgresql/15/bin/postgres', '/usr/lib/postgresql/16/bin/postgres', '/usr/lib/postgresql/17/bin/postgres'],
      versionFlag: '--version',
      required: false,
      costs: 'the sample pod sensitive-db has no real database',
      cure: 'apt-get install postgresql-15',
    },
  ];
}

const run = promisify(execFile);

/** Looks for the programs that the lab and the redirection start. Takes at most five seconds, all in parallel. */
export async function findPrograms(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<readonly ProgramReport[]> {
  return Promise.all(
    programSpecs(env).map(async ({ name, candidates, versionFlag, required, costs, cure }) => {
      const path = candidates.find((candidate) => existsSync(candidate)) ?? null;
      const version = path === null ? null : await versionOf(path, versionFlag, signal);
      return { name, path, version, required, costs, cure };
    }),
  );
}

/** The first number with dots that the program prints for its version flag; null where it cannot run (another processor's binary, say). */
async function versionOf(path: string, flag: string, signal: AbortSignal): Promise<string | null> {
  try {
    const { stdout, stderr } = await run(path, [flag], { timeout: 5000, signal });
    return /\d+(?:\.\d+)+/.exec(`${stdout}${stderr}`)?.[0] ?? null;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
