import type { ProgramVerdict, TraceAnswer, TraceRequest, TraceSideAnswer } from '../api/policy-types.ts';
import { exitCodes, UserError } from '../base/errors.ts';
import { protocolName, protocolNumbers } from '../policy/protocols.ts';
import { defineCommand } from './command.ts';
import { podNamespaceOption } from './lab-options.ts';
import type { PolicyParty } from './policy-party.ts';
import { outputOption, printValue } from './print.ts';
import { runningInstance, runningInstanceOption } from './running-instance.ts';

const protocols = ['tcp', 'udp', 'sctp', 'icmp'] as const;
const echoRequest = { 4: 8, 6: 128 } as const;

/** `millrace policy trace`: what policy says of a connection, by the tables and by the loaded programs. */
export const policyTrace = defineCommand({
  description:
    "Answers for the first packet of a connection, twice: from the compiled tables, which know the rule that decides, and from the programs in the kernel, which are run on such a packet without sending it. FROM and TO are a pod (NAME, NAMESPACE/NAME, deploy/NAME, app=VALUE), a pod of a service (svc/NAME, svc/NAME.NAMESPACE, or its address), or an address. The port is the pod's own, not that of a service. Exit codes: 0 the two agree, whether the answer is ALLOWED or DENIED; 1 they do not, or --expect was given and the answer is another.",
  arguments: {},
  options: {
    from: { kind: 'text', value: 'POD|SVC|ADDRESS', summary: 'who connects' },
    to: { kind: 'text', value: 'POD|SVC|ADDRESS', summary: 'to whom' },
    port: { kind: 'number', value: 'N', minimum: 0, maximum: 65535, summary: 'the port; of icmp the type (default: echo request)' },
    protocol: { kind: 'choice', choices: protocols, default: 'tcp', summary: 'the protocol' },
    ipv6: { kind: 'flag', summary: "of the pods' addresses take the IPv6 ones" },
    expect: { kind: 'choice', choices: ['allow', 'deny'], summary: 'exit with 1 where the answer is the other one' },
    namespace: podNamespaceOption,
    output: outputOption,
    instance: runningInstanceOption,
  },
  examples: [
    'millrace policy trace --from deploy/sleep --to deploy/sensitive-db --port 5432',
    'millrace policy trace --from app=my-producer --to 172.20.0.10 --port 9092 --expect allow',
  ],
  run: async ({ options, signal, stdout }) => {
    const [source, destination] = [required('--from', options.from), required('--to', options.to)];
    if (options.protocol !== 'icmp' && (options.port === null || options.port === 0)) missing('--port', options.port);
    const instance = await runningInstance(options.instance);
    const [{ agentClient }, { addressPair, partyFor }] = await Promise.all([import('./agent-client.ts'), import('./policy-party.ts')]);
    const client = agentClient(instance);
    const known = await client.policies({ signal });
    const from = partyFor(source, known, options.namespace, instance);
    const to = partyFor(destination, known, options.namespace, instance);
    const pair = addressPair(from, to, options.ipv6);
    const answer = await client.tracePolicy(
      { ...pair, ...portOf(options.protocol, options.port, pair.destination.includes(':')) },
      { signal },
    );
    const { partyText } = await import('./policy-party.ts');
    await printValue(stdout, options.output, answer, () => traceText(answer, from, to, partyText));
    return answer.agrees && (options.expect === null || options.expect === answer.verdict) ? exitCodes.done : exitCodes.failed;
  },
});

function portOf(name: string, port: number | null, ipv6: boolean): Pick<TraceRequest, 'protocol' | 'port'> {
  if (name === 'icmp') {
    const protocol = ipv6 ? protocolNumbers.ICMPv6 : protocolNumbers.ICMP;
    return { protocol, port: ((port ?? echoRequest[ipv6 ? 6 : 4]) & 0xff) << 8 };
  }
  const protocol = name === 'udp' ? protocolNumbers.UDP : name === 'sctp' ? protocolNumbers.SCTP : protocolNumbers.TCP;
  return { protocol, port: port ?? 0 };
}

function traceText(
  { request, verdict, agrees, sides }: TraceAnswer,
  from: PolicyParty,
  to: PolicyParty,
  partyText: (party: PolicyParty, address: string) => string,
): string {
  const { protocol, port, source, destination } = request;
  const name = protocolName(protocol);
  const where = name.startsWith('ICMP') ? `${name} type ${port >> 8}` : `${name} port ${port}`;
  const head = `${verdict === 'allow' ? 'ALLOWED' : 'DENIED'}: ${partyText(from, source)} to ${where} of ${partyText(to, destination)}\n`;
  const asked = sides.some(({ program }) => program.kind !== 'not asked');
  const end =
    sides.length === 0
      ? 'neither end is a pod that policy knows\n'
      : agrees
        ? asked
          ? 'the loaded programs agree\n'
          : 'no loaded program could be asked\n'
        : 'THE LOADED PROGRAMS DO NOT AGREE with the tables: see docs/policy.md\n';
  return `${head}${sides.map(sideText).join('')}${end}`;
}

function sideText({ text, audited, program, agrees }: TraceSideAnswer): string {
  return `  ${text}${audited ? ' - audited only: it passes' : ''}\n    ${programText(program)}${agrees ? '' : ' - NOT what the tables say'}\n`;
}

function programText(program: ProgramVerdict): string {
  if (program.kind === 'not asked') return `the program was not asked: ${program.reason}`;
  return `${program.program} at interface ${program.interfaceIndex}: ${program.kind === 'pass' ? 'passes' : 'drops'}`;
}

function required(option: string, value: string | null): string {
  return value ?? missing(option);
}

function missing(option: string, given: number | null = null): never {
  const why = given === null ? 'is missing: no value is given' : `is no port of a connection: ${given}`;
  throw new UserError('USAGE', `Cannot trace because ${option} ${why}`, {
    cure: 'Say who connects to whom, and to which port.',
    command: 'millrace policy trace --from deploy/sleep --to deploy/sensitive-db --port 5432',
    exitCode: exitCodes.usage,
  });
}
