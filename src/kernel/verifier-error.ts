import { MillraceError } from '../base/errors.ts';
import { errnoName } from './sys-error.ts';

/** The verifier's verdict, cut out of its log. */
export interface VerifierVerdict {
  /** The lines that say what is wrong, the most telling one first. */
  readonly reasons: readonly string[];
  /** The line of C that was being checked, as `file:line: code`; null without debug information. */
  readonly source: string | null;
}

const noise = /^(processed \d+ insns|verification time|stack depth|max_states|-- (BEGIN|END)|mark_precise|$)/;
const instruction = /^\d+: \(|^\d+: R\d|^R\d+(_w)?=|^from \d+ to \d+|^; |^func#|^last_idx|^regs=|^parent |^\d+: safe/;

/** Reads a verifier log: what stands after the last instruction is the reason, the last `; code @ file:line` before it is the source. */
export function readVerifierLog(log: string): VerifierVerdict {
  const lines = log.split('\n').map((line) => line.trimEnd());
  const meaningful = lines.filter((line) => !noise.test(line));
  const reasons: string[] = [];
  for (let at = meaningful.length - 1; at >= 0; at -= 1) {
    const line = meaningful[at] ?? '';
    if (instruction.test(line)) break;
    reasons.unshift(line);
  }
  return { reasons, source: lastSource(meaningful) };
}

function lastSource(lines: readonly string[]): string | null {
  for (let at = lines.length - 1; at >= 0; at -= 1) {
    const line = lines[at] ?? '';
    if (!line.startsWith('; ')) continue;
    const placed = /^; (.*) @ (\S+:\d+)$/.exec(line);
    return placed === null ? line.slice(2) : `${placed[2]}: ${placed[1]?.trim()}`;
  }
  return null;
}

/** A program, map or object that the kernel refused. `program` is '' when no single program is to blame. */
export class VerifierError extends MillraceError {
  override readonly name = 'VerifierError';
  readonly program: string;
  /** Symbolic: 'EACCES', 'EINVAL', 'E2BIG'. */
  readonly errno: string;
  /** The whole verifier log, '' when the verifier did not run. */
  readonly log: string;

  /** `errno` is positive; `messages` are libbpf's own lines. */
  constructor(options: { program: string; errno: number; log: string; messages?: readonly string[] }) {
    const errno = errnoName(options.errno);
    const verdict = readVerifierLog(options.log);
    const reasons = verdict.reasons.length > 0 ? verdict.reasons : (options.messages ?? []).map((line) => line.replace(/^libbpf: /, ''));
    const what = options.program === '' ? 'the BPF object' : `the BPF program ${options.program}`;
    const lines = [`Cannot load ${what} because the kernel refused it: ${errno}`, ...reasons.slice(-6).map((line) => `  ${line}`)];
    if (verdict.source !== null) lines.push(`  at ${verdict.source}`);
    super('BPF_LOAD', lines.join('\n'), { data: { program: options.program, errno, log: options.log, messages: options.messages ?? [] } });
    this.program = options.program;
    this.errno = errno;
    this.log = options.log;
  }
}
