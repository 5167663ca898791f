import type { AccelerationCheck } from '../api/types.ts';

/** What a self-test came to. */
export interface SelfTestResult {
  /** Whether connections may be accelerated: every check of safety passed. */
  readonly usable: boolean;
  readonly checks: readonly AccelerationCheck[];
  /** Whether sockets of applications would notice nothing either (`all`); else they join where their owner says so. */
  readonly applications: 'by annotation' | 'all';
  readonly durationMs: number;
}

/**
 * What a run of the program means. `problem` says why the run itself came to no good end, null where it did. A run without a single check of
 * safety has shown nothing. Pure.
 */
export function judge(checks: readonly AccelerationCheck[], problem: string | null, durationMs: number): SelfTestResult {
  const failure = problem ?? (checks.some(({ kind }) => kind === 'safety') ? null : 'it reported no check');
  const all: readonly AccelerationCheck[] =
    failure === null ? checks : [...checks, { kind: 'safety', name: 'the self-test itself', passed: false, detail: failure }];
  const passed = (kind: AccelerationCheck['kind']): boolean => {
    const those = all.filter((check) => check.kind === kind);
    return those.length > 0 && those.every((check) => check.passed);
  };
  const usable = passed('safety');
  return { usable, checks: all, applications: usable && passed('application') ? 'all' : 'by annotation', durationMs };
}

/** Reads the lines that the program writes: kind, name, `ok` or `failed`, and a detail, with tabs between them. Others are passed over. Pure. */
export function parseChecks(text: string): readonly AccelerationCheck[] {
  return text.split('\n').flatMap((line): readonly AccelerationCheck[] => {
    const [kind, name, outcome, detail] = line.split('\t');
    if ((kind !== 'safety' && kind !== 'application') || name === undefined || (outcome !== 'ok' && outcome !== 'failed')) return [];
    return [{ kind, name, passed: outcome === 'ok', detail: detail ?? '' }];
  });
}

/** The first thing that failed, in words. Pure. */
export function failureText(result: SelfTestResult): string {
  const failed = result.checks.find(({ kind, passed }) => kind === 'safety' && !passed);
  return failed === undefined ? 'nothing' : `${failed.name}: ${failed.detail}`;
}
