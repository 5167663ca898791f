import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { authorizationPolicy } from '../../../test/support/authorization-policy.ts';
import { envoyPath } from '../../../test/support/envoy.ts';
import { base, bind, iptables, server, skLookup } from '../../../test/support/mesh-pair.ts';
import { createAuthority } from '../certificates/authority.ts';
import { issueWorkloadCertificate } from '../certificates/workload.ts';
import type { MeshSnapshot } from '../model.ts';
import { bootstrap } from './bootstrap.ts';
import { spiffeIdentity } from './names.ts';
import { proxyConfiguration } from './proxy-configuration.ts';
import { secretsFiles } from './secrets.ts';

describe('proxyConfiguration()', () => {
  it.each(
    [iptables, skLookup, bind].flatMap((backend) => (['STRICT', 'PERMISSIVE', 'DISABLE'] as const).map((mode) => [backend, mode] as const)),
  )('gives what Envoy accepts for %j and %s', async (backend, mode) => {
    const authority = await createAuthority({ trustDomain: 'cluster.local', now: new Date(), lifetimeMs: 86_400_000 });
    const spiffeId = spiffeIdentity('cluster.local', server);
    const certificate = await issueWorkloadCertificate(authority, { spiffeId, now: new Date(), lifetimeMs: 3_600_000 });
    const secrets = secretsFiles(certificate, authority.certificatePem);
    const directory = mkdtempSync(join(tmpdir(), 'millrace-validate-'));
    try {
      const snapshot: MeshSnapshot = {
        ...base,
        defaultMutualTls: mode,
        authorizationPolicies: [
          authorizationPolicy('ALLOW', [{ to: [{ methods: ['GET'] }] }]),
          authorizationPolicy('AUDIT', [{}], { name: 'audit' }),
        ],
      };
      const files = { ...proxyConfiguration(snapshot, server, backend, { directory }), ...secrets };
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, path)), { recursive: true });
        writeFileSync(join(directory, path), text);
      }
      const { dynamic_resources: _, ...start } = bootstrap({ workload: server, backend, clusterDomain: 'cluster.local', directory });
      const static_resources = { listeners: resources(files['lds.json']), clusters: resources(files['cds.json']) };
      writeFileSync(join(directory, 'static.json'), JSON.stringify({ ...start, static_resources }));
      const { stdout, stderr } = await promisify(execFile)(envoyPath(), ['--mode', 'validate', '-c', join(directory, 'static.json')]);
      expect(stdout + stderr).toContain('OK');
      expect(stdout + stderr).not.toMatch(/\[(warning|error|critical)\]/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Validation does not follow files: the same resources, in the bootstrap. */
function resources(text = ''): readonly object[] {
  const parsed: { readonly resources: readonly { readonly '@type': string }[] } = JSON.parse(text);
  return parsed.resources.map(({ '@type': _, ...resource }) => resource);
}
