import { mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { exitCodes } from '../../src/base/errors.ts';
import { projectRoot } from '../../src/base/project.ts';
import { formatTable } from '../../src/cli/print.ts';
import { BpfObject, mountBpffs, unmount } from '../../src/kernel/index.ts';
import { runMain } from '../support/main-program.ts';
import { changesText, measureChanges } from './changes.ts';
import { flood, measureDrops } from './drops.ts';
import { measureLoad } from './load.ts';

const usage = `npm run bench:policy -- [options]

How long a large policy takes until the kernel judges by it, how long a change of one takes through a running agent, and what becomes of the events of a
flood of denied packets. Exits with 1 when one of the two loads takes more than 3 seconds, one change of a hundred more than 100 ms, a program does not do what a change
said, the agent keeps more than 200 MiB after the load or after the changes, or an event is neither delivered nor counted as lost.
  --rules N       rules (20000)
  --identities N  identities that they select (5000)
  --prefixes N    entries of the ipcache (100000)
  --changes N     changes through the agent, of a policy among the others (200)
  --rate N        denied packets a second (100000)
  --seconds N     for so long (10)
  --limit N       events of one source and CPU within a second; 0: all (0)
`;

await runMain(async () => {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      rules: { type: 'string', default: '20000' },
      identities: { type: 'string', default: '5000' },
      prefixes: { type: 'string', default: '100000' },
      changes: { type: 'string', default: '200' },
      rate: { type: 'string', default: '100000' },
      seconds: { type: 'string', default: '10' },
      limit: { type: 'string', default: '0' },
      flood: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    stdout.write(usage);
    return exitCodes.done;
  }
  const [rate, seconds] = [Number(values.rate), Number(values.seconds)];
  if (values.flood !== undefined) {
    await flood(values.flood, rate, seconds);
    return exitCodes.done;
  }
  const pins = mkdtempSync(join(tmpdir(), 'millrace-bench-policy-'));
  mountBpffs(pins);
  try {
    using object = await BpfObject.load(readFileSync(join(projectRoot(), 'dist/bpf/tests/policy_only.bpf.o')), { name: 'bench' });
    const size = { rules: Number(values.rules), identities: Number(values.identities), prefixes: Number(values.prefixes) };
    const steps = await measureLoad(object, size);
    stdout.write(
      formatTable(
        [...steps],
        [
          { title: 'POLICY', value: ({ step }) => step },
          { title: 'ROWS', value: ({ rows }) => String(rows), align: 'right' },
          { title: 'PREFIXES', value: ({ prefixes }) => String(prefixes), align: 'right' },
          { title: 'MS', value: ({ milliseconds }) => milliseconds.toFixed(1), align: 'right' },
          { title: 'RSS MIB', value: ({ resident }) => String(resident), align: 'right' },
        ],
      ),
    );
    const changes = await measureChanges(size, Number(values.changes));
    stdout.write(`\n${changesText(changes)}`);
    const report = await measureDrops(object, pins, rate, seconds, Number(values.limit));
    stdout.write(`\n${JSON.stringify(report, null, 2)}\n`);
    rmSync(join(pins, 'flooded'), { force: true });
    const soon = changes.load <= 3000 && changes.p99 <= 100 && changes.wrong === 0;
    const small = Math.max(changes.resident.settled, changes.resident.atEnd) <= 200;
    return soon && small && report.exact && (steps[0]?.milliseconds ?? 0) <= 3000 ? exitCodes.done : exitCodes.failed;
  } finally {
    unmount(pins);
    rmdirSync(pins);
  }
});
