import { z } from 'zod';
import { count, fields, labelSelector, metadata, refuse, unused } from './fields.ts';
import { podSpec } from './pod-spec.ts';
import { matchesSelector } from './selectors.ts';

/** spec of a Deployment (apps/v1). The selector must match the template's labels, as the API server demands. */
export const deploymentSpec = fields({
  replicas: count.optional(),
  selector: labelSelector,
  template: fields({ metadata: metadata(z.string().optional()).optional(), spec: podSpec }),
  ...unused('minReadySeconds', 'paused', 'progressDeadlineSeconds', 'revisionHistoryLimit', 'strategy'),
}).transform((raw, ctx) => {
  const { selector } = raw;
  const template = {
    labels: raw.template.metadata?.labels ?? {},
    annotations: raw.template.metadata?.annotations ?? {},
    spec: raw.template.spec,
  };
  if (Object.keys(selector.matchLabels).length === 0 && selector.matchExpressions.length === 0) {
    refuse(ctx, 'must not be empty', 'Select the labels that the template has.', ['selector']);
  } else if (!matchesSelector(template.labels, selector)) {
    refuse(ctx, 'does not match the labels of spec.template', 'Give spec.template.metadata.labels the labels that spec.selector names.', [
      'selector',
    ]);
  }
  if (template.spec.restartPolicy !== 'Always') {
    refuse(ctx, 'must be Always in a Deployment', 'Remove it.', ['template', 'spec', 'restartPolicy']);
  }
  return { replicas: raw.replicas ?? 1, selector, template };
});
