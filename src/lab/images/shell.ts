import type { ImageRecipe } from './image.ts';

/** Images that people use for their shell: the machine's one, as root (with the few capabilities that a container has by default). */
export const shellImage: ImageRecipe = {
  repositories: ['busybox', 'alpine', 'debian', 'ubuntu', 'nicolaka/netshoot'],
  summary: "the machine's shell and tools, as root",
  needsCommand: false,
  resolve({ args }) {
    return {
      entry: args === null || args.length === 0 ? ['/bin/sh'] : [],
      prepare: null,
      uid: 0,
      gid: 0,
      env: {},
      mounts: [],
      stopSignal: 'SIGTERM',
      readiness: null,
    };
  },
};
