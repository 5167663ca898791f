import { expect, test } from 'vitest';
import { readVerifierLog, VerifierError } from './verifier-error.ts';

const log = [
  '0: R1=ctx() R10=fp0',
  '; void *data = (void *)(long)skb->data; @ refused.bpf.c:9',
  '0: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)',
  '; return *(int *)(data + 4); @ refused.bpf.c:11',
  '1: (61) r0 = *(u32 *)(r1 +4)',
  'invalid access to packet, off=4 size=4, R1(id=0,off=4,r=0)',
  'R1 offset is outside of the packet',
  'processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0',
  '',
].join('\n');

test('readVerifierLog() finds the reasons and the line of C when the kernel prints both', () => {
  expect(readVerifierLog(log)).toEqual({
    reasons: ['invalid access to packet, off=4 size=4, R1(id=0,off=4,r=0)', 'R1 offset is outside of the packet'],
    source: 'refused.bpf.c:11: return *(int *)(data + 4);',
  });
});

test('readVerifierLog() gives the code alone when the kernel is too old to name the file', () => {
  expect(readVerifierLog('; return 1;\n0: (b7) r0 = 7\nAt program exit the register R0 has value (0x7; 0x0)').source).toBe('return 1;');
});

test('readVerifierLog() finds nothing when the log is empty', () => {
  expect(readVerifierLog('')).toEqual({ reasons: [], source: null });
});

test('VerifierError says program, errno, reasons and source first and keeps the whole log', () => {
  const error = new VerifierError({ program: 'refused', errno: 13, log });
  expect(error.message.split('\n')).toEqual([
    'Cannot load the BPF program refused because the kernel refused it: EACCES',
    '  invalid access to packet, off=4 size=4, R1(id=0,off=4,r=0)',
    '  R1 offset is outside of the packet',
    '  at refused.bpf.c:11: return *(int *)(data + 4);',
  ]);
  expect(error.data.log).toBe(log);
  expect(error.code).toBe('BPF_LOAD');
});

test('VerifierError falls back to the messages of libbpf when the verifier did not run', () => {
  const error = new VerifierError({
    program: '',
    errno: 22,
    log: '',
    messages: ["libbpf: map 'x': failed to create: Invalid argument(-22)"],
  });
  expect(error.message).toBe(
    "Cannot load the BPF object because the kernel refused it: EINVAL\n  map 'x': failed to create: Invalid argument(-22)",
  );
});
