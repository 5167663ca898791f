import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes, UserError } from '../base/errors.ts';
import { envoyVersion } from '../base/project.ts';
import { findExecutable } from '../lab/machine.ts';

/** A program that the lab starts in every sidecar. */
export interface SidecarProgram {
  /** Name and version, as a report names it. */
  readonly title: string;
  readonly path: string;
  /** Whether it knows the mesh's services; who does not is sent to pods. */
  readonly knowsServices: boolean;
}

/** Envoy, with the lab's own configuration. */
export function envoySidecar(path: string): SidecarProgram {
  return { title: `Envoy ${envoyVersion}`, path, knowsServices: true };
}

/**
 * What a sidecar of Istio does, as far as HAProxy can: it listens where Envoy would and sends on to where the connection was going, from the
 * address that marks what a proxy sends to its own pod. The lab asks port 15000 whether it is ready.
 */
export const haproxyConfiguration = `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend outbound
  bind :15001
  default_backend onward
backend onward
  server original 0.0.0.0:0
frontend inbound
  bind :15006
  default_backend inward
backend inward
  server original 0.0.0.0:0 source 127.0.0.6
frontend ready
  bind 127.0.0.1:15000
  monitor-uri /ready
`;

/**
 * HAProxy in Envoy's place: a script in `folder` that the lab starts as if it were Envoy. It shows what is left of a difference when the
 * proxy itself costs less.
 * @throws UserError MACHINE_MISSING_PROGRAM
 */
export function haproxySidecar(folder: string): SidecarProgram {
  const haproxy = findExecutable('haproxy');
  if (haproxy === null) {
    throw new UserError('MACHINE_MISSING_PROGRAM', 'Cannot put HAProxy into the sidecars because it is missing: not in PATH', {
      cure: 'Install it, or measure Envoy.',
      command: 'apt-get install haproxy',
      exitCode: exitCodes.machine,
    });
  }
  const path = join(folder, 'haproxy-sidecar');
  const script = `#!/bin/sh\ncat > /tmp/haproxy.cfg <<'END'\n${haproxyConfiguration}END\nexec ${haproxy} -db -f /tmp/haproxy.cfg\n`;
  writeFileSync(path, script, { mode: 0o755 });
  const version = /version (\S+)/.exec(execFileSync(haproxy, ['-v'], { encoding: 'utf8' }))?.[1] ?? 'of unknown version';
  return { title: `HAProxy ${version}`, path, knowsServices: false };
}
