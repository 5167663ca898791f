import { join } from 'node:path';
import type { Logger } from '../../base/log.ts';
import type { CertificateAuthority } from '../../mesh/certificates/authority.ts';
import { createAuthority } from '../../mesh/certificates/authority.ts';
import type { WorkloadCertificate } from '../../mesh/certificates/workload.ts';
import { issueWorkloadCertificate, rotationDelay } from '../../mesh/certificates/workload.ts';
import { bootstrap, envoyArguments } from '../../mesh/envoy/bootstrap.ts';
import type { ProxyFiles } from '../../mesh/envoy/files.ts';
import { spiffeIdentity } from '../../mesh/envoy/names.ts';
import { proxyConfiguration } from '../../mesh/envoy/proxy-configuration.ts';
import { secretsFiles } from '../../mesh/envoy/secrets.ts';
import { ProxyFilesWriter } from '../../mesh/envoy/writer.ts';
import type { MeshSnapshot, RedirectBackend, Workload } from '../../mesh/model.ts';
import { redirectConfigFromAnnotations } from '../../pods/annotations.ts';
import { volumePath } from '../images/image.ts';
import { proxyId } from '../plan/container-state.ts';
import { meshNames } from '../plan/snapshot.ts';

const bootstrapFile = 'bootstrap.json';
/** A root of the lab lives as long as the lab; ten years is "longer than that". */
const authorityLifetimeMs = 10 * 365 * 24 * 3600 * 1000;
/** Never rotate faster than this, however short a test makes certificates live. */
const shortestRotationMs = 200;
/** setTimeout's range. */
const longestTimerMs = 2 ** 31 - 1;

export interface ControlPlaneOptions {
  readonly backend: RedirectBackend;
  readonly certificateMs: number;
  readonly log: Logger;
}

interface Proxy {
  readonly namespace: string;
  readonly name: string;
  readonly writer: ProxyFilesWriter;
  /** The versions of the files last written; what the proxy should say that it runs. */
  versions: ReadonlySet<string>;
}

interface Identity {
  readonly certificate: WorkloadCertificate;
  readonly timer: NodeJS.Timeout;
}

/**
 * Turns snapshots of the mesh into files for every proxy, and keeps their certificates fresh. The authority lives in memory and dies with
 * the lab. Owns its timers.
 */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #authority: CertificateAuthority;
  readonly #proxies = new Map<string, Proxy>();
  readonly #identities = new Map<string, Promise<Identity>>();
  #snapshot: MeshSnapshot | null = null;
  #problems: readonly string[] = [];
  #closed = false;

  constructor(options: ControlPlaneOptions, authority: CertificateAuthority) {
    this.#options = options;
    this.#authority = authority;
  }

  static async create(options: ControlPlaneOptions): Promise<ControlPlane> {
    const authority = await createAuthority({ trustDomain: meshNames.trustDomain, now: new Date(), lifetimeMs: authorityLifetimeMs });
    return new ControlPlane(options, authority);
  }

  /** Policies and pods whose configuration could not be made; their proxies keep the last good one. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Writes a new proxy's files, bootstrap included, and keeps them up to date from here on. Returns Envoy's arguments. */
  async add(workload: Workload, folder: string, snapshot: MeshSnapshot): Promise<readonly string[]> {
    this.#snapshot = snapshot;
    const proxy: Proxy = {
      namespace: workload.namespace,
      name: workload.name,
      writer: new ProxyFilesWriter(folder, { uid: proxyId, gid: proxyId }),
      versions: new Set(),
    };
    const files = await this.#files(workload, snapshot);
    const start = bootstrap({ workload, backend: this.#options.backend, clusterDomain: snapshot.clusterDomain, directory: volumePath });
    await proxy.writer.write({ ...files, [bootstrapFile]: `${JSON.stringify(start, null, 2)}\n` });
    proxy.versions = versionsOf(files);
    this.#proxies.set(proxyKey(workload), proxy);
    return envoyArguments({ bootstrapPath: join(volumePath, bootstrapFile), concurrency: 1, logLevel: 'warning' });
  }

  remove(pod: { readonly namespace: string; readonly name: string }): void {
    this.#proxies.delete(proxyKey(pod));
  }

  /** Brings every proxy's files to a snapshot. Failures of one proxy do not keep the others. */
  async update(snapshot: MeshSnapshot): Promise<void> {
    this.#snapshot = snapshot;
    const problems: string[] = [];
    await Promise.all(
      snapshot.workloads.map(async (workload) => {
        const proxy = this.#proxies.get(proxyKey(workload));
        if (proxy === undefined) return;
        try {
          const files = await this.#files(workload, snapshot);
          await proxy.writer.write(files, { keep: [bootstrapFile] });
          proxy.versions = versionsOf(files);
        } catch (error) {
          // The pod may have been removed under the write.
          if (!this.#proxies.has(proxyKey(workload))) return;
          this.#options.log.error({ pod: workload.name, namespace: workload.namespace, err: error }, 'a proxy was not updated');
          problems.push(`proxy of ${proxyKey(workload)}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }),
    );
    this.#problems = problems;
  }

  /** The versions that a proxy should run, by its last write; empty for an unknown one. */
  versions(pod: { readonly namespace: string; readonly name: string }): ReadonlySet<string> {
    return this.#proxies.get(proxyKey(pod))?.versions ?? new Set();
  }

  close(): void {
    this.#closed = true;
    for (const identity of this.#identities.values()) void identity.then(({ timer }) => clearTimeout(timer));
    this.#proxies.clear();
  }

  async #files(workload: Workload, snapshot: MeshSnapshot): Promise<ProxyFiles> {
    const { inboundPorts } = redirectConfigFromAnnotations(workload.name, workload.annotations);
    const { certificate } = await this.#identity(spiffeIdentity(snapshot.trustDomain, workload));
    return {
      ...proxyConfiguration(snapshot, workload, this.#options.backend, { directory: volumePath, inboundPorts }),
      ...secretsFiles(certificate, this.#authority.certificatePem),
    };
  }

  /** One certificate per service account, replaced at half of its life. */
  #identity(spiffeId: string): Promise<Identity> {
    const known = this.#identities.get(spiffeId);
    if (known !== undefined) return known;
    const issued = this.#issue(spiffeId);
    this.#identities.set(spiffeId, issued);
    return issued;
  }

  async #issue(spiffeId: string): Promise<Identity> {
    const now = new Date();
    const certificate = await issueWorkloadCertificate(this.#authority, { spiffeId, now, lifetimeMs: this.#options.certificateMs });
    // From now, not from notBefore: that lies two minutes back for clocks that go wrong, which is more than a short life.
    const wait = Math.min(Math.max(rotationDelay(now, certificate.notAfter, now), shortestRotationMs), longestTimerMs);
    const timer = setTimeout(() => this.#rotate(spiffeId), wait);
    if (this.#closed) clearTimeout(timer);
    return { certificate, timer };
  }

  #rotate(spiffeId: string): void {
    if (this.#closed) return;
    this.#identities.set(spiffeId, this.#issue(spiffeId));
    if (this.#snapshot !== null) void this.update(this.#snapshot);
  }
}

function proxyKey(pod: { readonly namespace: string; readonly name: string }): string {
  return `${pod.namespace}/${pod.name}`;
}

/** Files whose acceptance Envoy reports as a `version_text` statistic. */
function versionsOf(files: ProxyFiles): ReadonlySet<string> {
  const versions = Object.entries(files)
    .filter(([path]) => path === 'cds.json' || path === 'lds.json' || path.startsWith('ecds/'))
    .map(([, text]) => /"version_info": "([0-9a-f]+)"/.exec(text)?.[1])
    .filter((version) => version !== undefined);
  return new Set(versions);
}
