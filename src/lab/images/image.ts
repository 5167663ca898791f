import type { Probe } from '../../manifests/types.ts';

/** A file or folder of the machine that a container needs at /run/programs/NAME, wherever it is on the machine and whoever may read it there. */
export interface ProgramMount {
  readonly name: string;
  readonly path: string;
}

/** What the lab runs in place of a container image. */
export interface ImageProgram {
  /** The command line when the manifest gives neither `command` nor `args`. */
  readonly entry: readonly string[];
  /** Runs once as the container's user before the first start, while the sidecar starts; must succeed. null: nothing to prepare. */
  readonly prepare: readonly string[] | null;
  readonly uid: number;
  readonly gid: number;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly ProgramMount[];
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** Used where the manifest has no readiness probe, so that "ready" means that the program listens. */
  readonly readiness: Probe | null;
}

/** What is known of the machine when an image is chosen. Paths are absolute; null: not found. */
export interface MachinePrograms {
  /** The JavaScript runtime that runs the lab itself. */
  readonly node: string;
  /** Folder with the built programs (httpbin.js); it has to exist. */
  readonly dist: string;
  readonly curl: string | null;
  /** Folder with initdb and postgres. */
  readonly postgres: string | null;
  readonly fortio: string | null;
}

/** The part of a container that an image may depend on. */
export interface ImageRequest {
  readonly args: readonly string[] | null;
  readonly env: Readonly<Record<string, string>>;
  readonly machine: MachinePrograms;
}

/** A row of the image table. `repositories` are names without registry default, tag and digest. */
export interface ImageRecipe {
  readonly repositories: readonly string[];
  /** One line for the table that users see. */
  readonly summary: string;
  readonly needsCommand: boolean;
  /** @throws UserError MACHINE_MISSING_PROGRAM when the machine lacks the program */
  resolve(request: ImageRequest, repository: string): ImageProgram;
}

/** Where a container keeps what it writes: a folder of the pod, gone with it. */
export const volumePath = '/run/volume';
/** Where mounted programs are. */
export const programsPath = '/run/programs';

/** A TCP readiness probe on one port with Kubernetes' defaults. */
export function tcpReadiness(port: number): Probe {
  return {
    action: { kind: 'tcpSocket', port },
    initialDelaySeconds: 0,
    periodSeconds: 10,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  };
}
