import { describe, expect, it } from 'vitest';
import { placedCommand, runToEnd } from './place.ts';

const signal = new AbortController().signal;
const sh = (script: string) => ['/bin/sh', '-c', script];

describe('placedCommand()', () => {
  it('enters the cgroup before anything else, and gives up its rights last', () => {
    const words = placedCommand({ cgroup: '/c g', netns: '/proc/1/ns/net' }, '1', ['/bin/x', 'a b']);
    expect(words.slice(0, 5)).toEqual(['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', '/c g', 'nsenter']);
    expect(words.slice(-3)).toEqual(['--', '/bin/x', 'a b']);
    expect(words.join(' ')).toContain('--net=/proc/1/ns/net -- taskset --cpu-list 1 setpriv --reuid 1000');
  });
});

describe('runToEnd()', () => {
  it('keeps what a program wrote when it ends well', async () => {
    expect(await runToEnd('it', sh('echo out; echo err >&2'), { timeoutMs: 5000, signal })).toEqual({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('says how it ended and what it said when it fails', async () => {
    const run = runToEnd('the load', sh('echo no route >&2; exit 3'), { timeoutMs: 5000, signal });
    await expect(run).rejects.toThrow(
      expect.objectContaining({ code: 'BENCH_FAILED', message: expect.stringMatching(/the load .* with 3: no route/) }),
    );
  });

  it('ends it when it takes too long, or when nobody wants it any more', async () => {
    await expect(runToEnd('it', ['/bin/sleep', '30'], { timeoutMs: 50, signal })).rejects.toThrow(/SIGKILL/);
    const aborting = new AbortController();
    const run = runToEnd('it', ['/bin/sleep', '30'], { timeoutMs: 30_000, signal: aborting.signal });
    aborting.abort(new Error('enough'));
    await expect(run).rejects.toThrow('enough');
  });
});
