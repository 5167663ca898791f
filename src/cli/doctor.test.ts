import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RecordedOutput } from '../../test/support/recorded-output.ts';
import type { ProbeResult } from '../kernel/index.ts';
import { doctor, doctorTable, findingsOf } from './doctor.ts';
import type { ProgramReport } from './doctor-programs.ts';

const probe = (name: string, answer: ProbeResult['answer'], required = true): ProbeResult => ({
  name,
  answer,
  required,
  cost: `no ${name}`,
  cure: `get ${name}`,
});
const program = (name: string, path: string | null): ProgramReport => ({
  name,
  path,
  version: path === null ? null : '1.2',
  required: true,
  costs: `no ${name}`,
  cure: `install ${name}`,
});

describe('doctorTable()', () => {
  it('names the cost and the cure of what is missing, and only of that', () => {
    const findings = findingsOf(
      [probe('sk_lookup', { kind: 'yes' }), probe('tcx', { kind: 'no', cost: 'no tcx', cure: 'a newer kernel' }, false)],
      [program('envoy', '/x/envoy')],
    );
    const table = doctorTable(findings);
    expect(table).toMatch(/^sk_lookup +yes +yes$/m);
    expect(table).toMatch(/^tcx +no +no +no tcx +a newer kernel$/m);
    expect(table).toMatch(/^envoy +yes +1\.2, \/x\/envoy +yes$/m);
    expect(table).toMatch(/has everything that is required\.\n$/);
  });

  it('lists by name what is required and missing, and does not count what could not be told', () => {
    const findings = findingsOf(
      [probe('btf', { kind: 'unknown', why: 'EPERM' }), probe('bpf', { kind: 'no', cost: '', cure: '' })],
      [program('ip', null)],
    );
    expect(doctorTable(findings)).toMatch(/^btf +could not tell +EPERM[\s\S]*lacks what is required: bpf, ip\.\n$/m);
  });
});

describe('doctor', () => {
  it('ends with 3 and names the cure when Envoy is missing', async () => {
    const stdout = new RecordedOutput();
    const code = await doctor.run(
      {
        stdout,
        stderr: new RecordedOutput(),
        stdin: Readable.from([]),
        signal: new AbortController().signal,
        env: { ...process.env, MILLRACE_ENVOY: '/nowhere/envoy' },
      },
      { arguments: {}, options: { output: 'json' } },
    );
    expect(code).toBe(3);
    const findings: readonly { name: string }[] = JSON.parse(stdout.text);
    expect(findings.find(({ name }) => name === 'envoy')).toMatchObject({
      answer: 'no',
      required: true,
      cure: expect.stringContaining('npm run setup'),
    });
  });
});
