import { UserError } from '../../base/errors.ts';
import { findImage } from '../images/table.ts';
import { proxyContainerName, proxyId } from './container-state.ts';
import { isInjected } from './injection.ts';
import type { LabObjects } from './objects.ts';
import { podTemplates } from './templates.ts';

/**
 * Refuses what the lab could not run, before anything is changed.
 * @throws UserError IMAGE_UNKNOWN; MANIFEST_INVALID for the sidecar's user id or name on an app
 */
export function validateObjects(objects: LabObjects): void {
  for (const template of podTemplates(objects)) {
    const injected = isInjected({ namespace: objects.namespace(template.namespace), labels: template.labels, annotations: template.annotations });
    for (const container of template.spec.containers) {
      findImage(container);
      if (injected && container.runAsUser === proxyId) {
        throw new UserError('MANIFEST_INVALID', `Cannot run container ${container.name} as this user because it is the sidecar's: runAsUser ${proxyId}`, {
          cure: 'Choose another runAsUser: traffic of this one would pass the sidecar by.',
          where: container.position,
        });
      }
      if (injected && container.name === proxyContainerName) {
        throw new UserError('MANIFEST_INVALID', `Cannot inject a sidecar because the pod has a container of that name: ${proxyContainerName}`, {
          cure: `Rename the container, or set the label sidecar.istio.io/inject: "false".`,
          where: container.position,
        });
      }
    }
  }
}
