import { expect, test } from 'vitest';
import type { NamespaceManifest } from '../../manifests/types.ts';
import { isInjected } from './injection.ts';

function namespace(labels: Record<string, string>): NamespaceManifest {
  const metadata = { name: 'demo', namespace: '', labels, annotations: {} };
  return { kind: 'Namespace', metadata, position: { file: 'f', line: 1, column: 1 } };
}

const inject = 'sidecar.istio.io/inject';

test.each([
  [null, {}, {}, false],
  [null, { [inject]: 'true' }, {}, true],
  [{}, {}, { [inject]: 'true' }, true],
  [{ 'istio-injection': 'enabled' }, {}, {}, true],
  [{ 'istio-injection': 'enabled' }, { [inject]: 'false' }, {}, false],
  [{ 'istio-injection': 'enabled' }, {}, { [inject]: 'false' }, false],
  [{ 'istio-injection': 'enabled' }, { [inject]: 'true' }, { [inject]: 'false' }, true],
  [{ 'istio-injection': 'disabled' }, { [inject]: 'true' }, {}, false],
  [{ 'istio.io/rev': 'canary' }, {}, {}, true],
  [{ 'istio.io/rev': 'canary', 'istio-injection': 'disabled' }, {}, {}, false],
] as const)('isInjected() with namespace %j, labels %j, annotations %j is %s', (ofNamespace, labels, annotations, expected) => {
  expect(isInjected({ namespace: ofNamespace === null ? null : namespace(ofNamespace), labels, annotations })).toBe(expected);
});
