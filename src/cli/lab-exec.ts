import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { UserError } from '../base/errors.ts';
import { defineCommand } from './command.ts';
import { checkInstance } from './instance.ts';
import { labInstance, podNamespaceOption, suffix } from './lab-options.ts';

/** `millrace lab exec`: run a command inside a container. */
export const labExec = defineCommand({
  description:
    'POD is a name, NAMESPACE/NAME, deploy/NAME or a label such as app=sleep (the first ready pod). The command gets the user, folder and environment of the container; its exit status is passed on (128 + N for signal N).',
  arguments: {
    POD: { kind: 'required', summary: 'which pod' },
    COMMAND: { kind: 'variadic', summary: 'what to run, after --' },
  },
  options: {
    container: { kind: 'text', short: 'c', value: 'NAME', summary: 'which container; the first application one unless given' },
    user: { kind: 'text', short: 'u', value: 'UID[:GID]', summary: 'run as this user instead' },
    stdin: { kind: 'flag', short: 'i', summary: 'pass standard input on' },
    tty: { kind: 'flag', short: 't', summary: 'accepted as kubectl has it: the terminal is passed on as it is' },
    namespace: podNamespaceOption,
    instance: labInstance,
  },
  examples: ['millrace lab exec deploy/sleep -- curl -s http://httpbin:8000/ip', 'millrace lab exec -u 0 app=httpbin -- ss -ltn'],
  run: async ({ arguments: { POD: pod, COMMAND: command }, options, signal }) => {
    if (command.length === 0) {
      throw new UserError('USAGE', 'Cannot run a command in the pod because none is given: nothing stands after --', {
        cure: 'Write it after two dashes.',
        command: `millrace lab exec${suffix(options.instance)} ${pod} -- id`,
        exitCode: 2,
      });
    }
    const instance = checkInstance(options.instance);
    const user = options.user === null ? null : parseUser(options.user);
    const { execTarget } = await import('../lab/exec.ts');
    const { execCommand } = await import('../lab/pods/exec-command.ts');
    const target = await execTarget({ instance, pod, container: options.container, namespace: options.namespace, signal });
    const argv = execCommand({ ...target, ...user }, command);
    return runInForeground(argv, options.stdin || options.tty);
  },
});

/** `1000` or `1000:1000`; the group is the user's number where none is given. */
function parseUser(text: string): { readonly uid: number; readonly gid: number } {
  const parts = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(text);
  if (parts === null) {
    throw new UserError('USAGE', `Cannot use this user because it is not a number: '${text}'`, {
      cure: 'Write UID or UID:GID.',
      exitCode: 2,
    });
  }
  return { uid: Number(parts[1]), gid: Number(parts[2] ?? parts[1]) };
}

/** Signals that whoever started us may send to us alone. From a terminal they reach the command by themselves. */
const passedOn = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

function runInForeground(argv: readonly string[], withInput: boolean): Promise<number> {
  const [program = '/bin/sh', ...args] = argv;
  return new Promise((resolve, reject) => {
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const child = spawn(program, args, { stdio: [withInput ? 'inherit' : 'ignore', 'inherit', 'inherit'], env: { PATH: path }, cwd: '/' });
    const fromTerminal = process.stdin.isTTY === true;
    const handlers = passedOn.map((name) => {
      const handler = () => {
        if (!fromTerminal || (name !== 'SIGINT' && name !== 'SIGQUIT')) child.kill(name);
      };
      process.on(name, handler);
      return { name, handler };
    });
    const done = () => {
      for (const { name, handler } of handlers) process.off(name, handler);
    };
    child.once('error', (error) => {
      done();
      reject(error);
    });
    child.once('exit', (code, signalName) => {
      done();
      resolve(code ?? 128 + (signalName === null ? 0 : constants.signals[signalName]));
    });
  });
}
