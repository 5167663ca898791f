import type { ImageRecipe } from './image.ts';
import { programsPath, tcpReadiness } from './image.ts';

/** The lab's own httpbin. The Python ones listen on port 80, the Go one on 8080. */
export const httpbinImage: ImageRecipe = {
  repositories: ['kennethreitz/httpbin', 'kong/httpbin', 'mccutchen/go-httpbin'],
  summary: 'the built-in httpbin, as uid 1000; port 80 (mccutchen/go-httpbin: 8080)',
  needsCommand: false,
  resolve({ machine, env }, repository) {
    const usual = repository === 'mccutchen/go-httpbin' ? 8080 : 80;
    const wanted = Number(env.PORT ?? usual);
    const port = Number.isInteger(wanted) && wanted > 0 && wanted < 65_536 ? wanted : usual;
    return {
      entry: [`${programsPath}/node`, `${programsPath}/dist/httpbin.mjs`, '--port', String(port)],
      prepare: null,
      uid: 1000,
      gid: 1000,
      env: {},
      mounts: [
        { name: 'node', path: machine.node },
        { name: 'dist', path: machine.dist },
      ],
      stopSignal: 'SIGTERM',
      readiness: tcpReadiness(port),
    };
  },
};
