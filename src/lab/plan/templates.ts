import type { PodSpec } from '../../manifests/types.ts';
import { templateHash } from './names.ts';
import type { LabObjects } from './objects.ts';

/** What a pod is made from: a Pod manifest (replicas 1, its own name) or a Deployment's template. */
export interface PodTemplate {
  readonly namespace: string;
  /** The Deployment's name, or the pod's own. */
  readonly owner: string;
  readonly ownerKind: 'Deployment' | 'Pod';
  readonly replicas: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
  /** Changes when a running pod no longer is what the template says. */
  readonly hash: string;
}

/** The pods that the objects ask for. */
export function podTemplates(objects: LabObjects): readonly PodTemplate[] {
  const fromDeployments = objects.ofKind('Deployment').map((deployment): PodTemplate => {
    const { labels, annotations, spec } = deployment.template;
    return {
      namespace: deployment.metadata.namespace,
      owner: deployment.metadata.name,
      ownerKind: 'Deployment',
      replicas: deployment.replicas,
      labels,
      annotations,
      spec,
      hash: templateHash({ labels, annotations, spec }),
    };
  });
  const fromPods = objects.ofKind('Pod').map((pod): PodTemplate => {
    const { labels, annotations, namespace, name } = pod.metadata;
    return {
      namespace,
      owner: name,
      ownerKind: 'Pod',
      replicas: 1,
      labels,
      annotations,
      spec: pod.spec,
      hash: templateHash({ labels, annotations, spec: pod.spec }),
    };
  });
  return [...fromDeployments, ...fromPods];
}
