import type { ImageRecipe } from './image.ts';

/** Any program of the machine: the manifest's `command` says which. */
export const hostImage: ImageRecipe = {
  repositories: ['millrace.io/host'],
  summary: "any program of the machine, named by the manifest's `command`, as uid 1000",
  needsCommand: true,
  resolve() {
    return { entry: [], prepare: null, uid: 1000, gid: 1000, env: {}, mounts: [], stopSignal: 'SIGTERM', readiness: null };
  },
};
