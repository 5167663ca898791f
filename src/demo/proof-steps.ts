import { closeFd, enableStats } from '../kernel/index.ts';
import { conntrackEntries, ruleSetsEmpty } from '../redirect/iptables/index.ts';
import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { exactly } from './step.ts';

const apps = ['sleep', 'httpbin'] as const;
const url = 'http://httpbin:8000/ip';

/** How the requests were redirected: what is in the pods' namespaces, what both ends of the connection see, and what ran in the kernel. */
export function proofSteps(stage: Stage): readonly Step[] {
  return stage.options.redirect === 'iptables'
    ? [rules(stage, "Istio's rules in both pods"), conntrack(stage, 'redirected'), dialled(stage), peer(stage), noRewrite(stage)]
    : [rules(stage, 'none'), conntrack(stage, 'none'), dialled(stage), peer(stage), programs(stage)];
}

function rules(stage: Stage, expected: string): Step {
  return {
    id: 'rules',
    title: 'Rules of iptables and nftables in the pods',
    command: 'nsenter --net=/proc/PID/ns/net iptables-save; … ip6tables-save',
    expected,
    look: async () => {
      const listings = await Promise.all(apps.map(async (app) => ruleSetsEmpty({ netns: await stage.netns(app) })));
      const texts = listings.flatMap((listing) => listing.listings.map(({ text }) => text));
      const written = listings.every(({ listings: [first] }) => first?.text.includes('-A OUTPUT -j ISTIO_OUTPUT'));
      const seen = listings.every(({ empty }) => empty) ? 'none' : written ? "Istio's rules in both pods" : 'some rules';
      return exactly(expected, seen, seen === expected ? [] : texts.flatMap((text) => text.split('\n')).slice(0, 40));
    },
  };
}

function conntrack(stage: Stage, expected: 'none' | 'redirected'): Step {
  return {
    id: 'conntrack',
    title: 'Entries of connection tracking for the requests',
    command: 'nsenter --net=/proc/PID/ns/net conntrack -L',
    expected,
    look: async () => {
      await stage.exec('sleep', ['curl', '-s', url]);
      const entries = (
        await Promise.all(apps.map(async (app) => conntrackEntries({ netns: await stage.netns(app) }, { protocol: 'tcp' })))
      ).flat();
      const ours = entries.filter(({ original }) => original.destinationPort === 8000 || original.destinationPort === 80);
      const evidence = ours
        .slice(0, 5)
        .map(
          ({ original, reply }) =>
            `${original.source} → ${original.destination}:${original.destinationPort}, answered by ${reply.source}:${reply.sourcePort}`,
        );
      const redirected = ours.some(({ reply }) => reply.sourcePort === 15001 || reply.sourcePort === 15006);
      return exactly(expected, ours.length === 0 ? 'none' : redirected ? 'redirected' : `${ours.length} others`, evidence);
    },
  };
}

function dialled(stage: Stage): Step {
  return {
    id: 'getpeername',
    title: 'The application believes that it talks to the service',
    command: stage.typed('exec', `deploy/sleep -- curl -s -o /dev/null -w '%{remote_ip}:%{remote_port}' ${url}`),
    expected: 'the address of the service, port 8000',
    look: async () => {
      const service = await serviceAddress(stage);
      const { stdout } = await stage.exec('sleep', ['curl', '-s', '-o', '/dev/null', '-w', '%{remote_ip}:%{remote_port}', url]);
      return {
        seen: stdout === `${service}:8000` ? 'the address of the service, port 8000' : stdout,
        asExpected: stdout === `${service}:8000`,
        evidence: [stdout],
      };
    },
  };
}

function peer(stage: Stage): Step {
  return {
    id: 'peer',
    title: 'The sidecar sees the pod as its client, not 127.0.0.1',
    command: stage.typed('logs', 'deploy/sleep -c istio-proxy'),
    expected: 'the address of the pod',
    look: async () => {
      const service = await serviceAddress(stage);
      const { pod } = await stage.container('sleep', 'sleep');
      const line = await stage.accessLogLine('sleep', (text) => text.includes(` ${service}:8000 `));
      // the access log names the downstream's local address (what was dialled), then its remote one
      const seen = line?.split(` ${service}:8000 `)[1]?.split(' ')[0] ?? 'no such line';
      const asExpected = seen.startsWith(`${pod.addresses[0]}:`);
      return { seen: asExpected ? 'the address of the pod' : seen, asExpected, evidence: [seen] };
    },
  };
}

function programs(stage: Stage): Step {
  const wanted = ['mr_connect4', 'mr_sockops', 'mr_getsockopt', ...(stage.options.inbound === 'bind' ? [] : ['mr_sk_lookup'])];
  return {
    id: 'programs',
    title: 'The programs in the kernel ran for one more request',
    command: `millrace status --instance ${stage.options.instance}`,
    expected: wanted.join(', '),
    look: async () => {
      const statistics = enableStats();
      try {
        const before = await runCounts(stage);
        await stage.exec('sleep', ['curl', '-s', url]);
        const after = await runCounts(stage);
        const ran = [...after]
          .map(([name, { runs, id }]) => ({ name, id, runs: runs - (before.get(name)?.runs ?? 0) }))
          .filter(({ runs }) => runs > 0);
        const names = new Set(ran.map(({ name }) => name));
        return exactly(
          wanted.join(', '),
          wanted.filter((name) => names.has(name)).join(', '),
          ran.map(({ name, id, runs }) => `${name} (program ${id}): ${runs} ${runs === 1 ? 'run' : 'runs'}`),
        );
      } finally {
        closeFd(statistics);
      }
    },
  };
}

function noRewrite(stage: Stage): Step {
  return {
    id: 'programs',
    title: 'No program of ours redirected anything',
    command: `millrace status --instance ${stage.options.instance}`,
    expected: '0 redirected, 0 steered',
    look: async () => {
      const { counters } = await stage.agent.status();
      return exactly('0 redirected, 0 steered', `${counters.outbound_redirected} redirected, ${counters.inbound_steered} steered`);
    },
  };
}

async function runCounts(stage: Stage): Promise<Map<string, { readonly runs: number; readonly id: number }>> {
  const counts = new Map<string, { runs: number; id: number }>();
  // every pod has its own sk_lookup program: their runs are added
  for (const { name, runs, id } of (await stage.agent.status()).programs)
    counts.set(name, { runs: runs + (counts.get(name)?.runs ?? 0), id });
  return counts;
}

async function serviceAddress(stage: Stage): Promise<string> {
  const { services } = await stage.lab.status();
  const service = services.find(({ name, namespace }) => name === 'httpbin' && namespace === 'demo');
  if (service === undefined) throw new Error('the lab has no service httpbin');
  return service.clusterIP;
}
