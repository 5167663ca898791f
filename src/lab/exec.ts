import { UserError } from '../base/errors.ts';
import type { ExecTarget, LabContainer, LabPod } from './api.ts';
import { LabClient } from './client.ts';
import { proxyContainerName } from './plan/container-state.ts';
import { parsePodReference, selectPod } from './plan/selection.ts';

/** Which container of which pod a command line means. null: not said. */
export interface ContainerRequest {
  readonly instance: string;
  readonly pod: string;
  readonly container: string | null;
  readonly namespace: string | null;
  readonly signal?: AbortSignal;
}

/**
 * Finds a container of a running lab; the first application container unless one is named.
 * @throws UserError LAB_NOT_RUNNING, POD_UNKNOWN, CONTAINER_UNKNOWN, USAGE
 */
export async function findContainer(request: ContainerRequest): Promise<{ readonly pod: LabPod; readonly container: LabContainer }> {
  const reference = parsePodReference(request.pod);
  const pods = await new LabClient(request.instance).pods(request.signal === undefined ? {} : { signal: request.signal });
  const pod = selectPod(pods, reference, request.namespace, request.instance);
  return { pod, container: chooseContainer(pod, request.container) };
}

/** What entering the container needs. @throws as findContainer, and CONTAINER_UNKNOWN when it does not run */
export async function execTarget(request: ContainerRequest): Promise<ExecTarget> {
  const { pod, container } = await findContainer(request);
  if (container.exec === null) {
    throw new UserError(
      'CONTAINER_UNKNOWN',
      `Cannot run a command in container ${container.name} of pod ${pod.name} because it does not run: ${stateOf(container)}`,
      {
        cure: 'See its log for the reason.',
        command: `millrace lab logs --instance ${request.instance} ${pod.namespace}/${pod.name} -c ${container.name}`,
      },
    );
  }
  return container.exec;
}

function chooseContainer(pod: LabPod, name: string | null): LabContainer {
  const found =
    name === null
      ? (pod.containers.find((container) => container.name !== proxyContainerName) ?? pod.containers[0])
      : pod.containers.find((container) => container.name === name);
  if (found !== undefined) return found;
  const names = pod.containers.map((container) => container.name).join(', ');
  throw new UserError(
    'CONTAINER_UNKNOWN',
    `Cannot find the container because pod ${pod.name} has none of this name: ${name ?? 'no container yet'}`,
    {
      cure: names === '' ? `The pod is ${pod.phase}${pod.problem === null ? '' : `: ${pod.problem}`}.` : `Its containers are: ${names}.`,
    },
  );
}

function stateOf({ state }: LabContainer): string {
  switch (state.kind) {
    case 'waiting':
      return state.reason;
    case 'running':
      return 'running';
    case 'ended':
      return `ended with exit code ${state.exitCode}`;
    case 'refused':
      return state.reason;
  }
}
