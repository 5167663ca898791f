import { UserError } from '../../base/errors.ts';
import { proxyConfiguration } from '../../mesh/envoy/proxy-configuration.ts';
import type { RedirectBackend } from '../../mesh/model.ts';
import { redirectConfigFromAnnotations } from '../../pods/annotations.ts';
import { findImage } from '../images/table.ts';
import { labNetwork } from './addresses.ts';
import { proxyContainerName, proxyId } from './container-state.ts';
import { isInjected } from './injection.ts';
import type { LabObjects } from './objects.ts';
import type { LivePod } from './snapshot.ts';
import { meshSnapshot } from './snapshot.ts';
import { podTemplates } from './templates.ts';

/**
 * Refuses what the lab could not run, before anything is changed.
 * @throws UserError IMAGE_UNKNOWN; MANIFEST_INVALID for the sidecar's user id or name on an app
 */
export function validateObjects(objects: LabObjects): void {
  for (const template of podTemplates(objects)) {
    const injected = isInjected({
      namespace: objects.namespace(template.namespace),
      labels: template.labels,
      annotations: template.annotations,
    });
    for (const container of template.spec.containers) {
      findImage(container);
      if (injected && container.runAsUser === proxyId) {
        throw new UserError(
          'MANIFEST_INVALID',
          `Cannot run container ${container.name} as this user because it is the sidecar's: runAsUser ${proxyId}`,
          {
            cure: 'Choose another runAsUser: traffic of this one would pass the sidecar by.',
            where: container.position,
          },
        );
      }
      if (injected && container.name === proxyContainerName) {
        throw new UserError(
          'MANIFEST_INVALID',
          `Cannot inject a sidecar because the pod has a container of that name: ${proxyContainerName}`,
          {
            cure: `Rename the container, or set the label sidecar.istio.io/inject: "false".`,
            where: container.position,
          },
        );
      }
    }
  }
}

/**
 * Translates every policy for every pod that the objects ask for, so that one that cannot be translated is refused and not found out later.
 * @throws UserError MESH_INVALID, ANNOTATION_INVALID
 */
export function validateMesh(objects: LabObjects, serviceAddresses: ReadonlyMap<string, string>, backend: RedirectBackend): void {
  const pods = podTemplates(objects).map(({ namespace, owner, labels, annotations, spec }): LivePod => {
    const injected = isInjected({ namespace: objects.namespace(namespace), labels, annotations });
    return { namespace, name: owner, owner, labels, annotations, spec, addresses: [labNetwork.nodeAddress4], injected, ready: true };
  });
  const snapshot = meshSnapshot(objects, pods, serviceAddresses);
  for (const workload of snapshot.workloads) {
    if (!workload.injected) continue;
    const { inboundPorts } = redirectConfigFromAnnotations(`${workload.namespace}/${workload.name}`, workload.annotations);
    proxyConfiguration(snapshot, workload, backend, { directory: '/', inboundPorts });
  }
}
