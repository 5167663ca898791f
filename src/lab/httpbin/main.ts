import { parseArgs } from 'node:util';
import { startHttpbin } from './server.ts';

// The entry of the program that the lab runs for the image kennethreitz/httpbin: `node httpbin.js [--host ADDRESS] [--port PORT]`.
// It prints one line when it listens and ends with 0 on SIGTERM and SIGINT; a second signal ends it at once.

function usage(problem: string): never {
  process.stderr.write(`httpbin: ${problem}\nusage: httpbin [--host ADDRESS] [--port PORT]\n`);
  process.exit(2);
}

function readOptions(): { host: string | null; port: number } {
  try {
    const { values } = parseArgs({ options: { host: { type: 'string' }, port: { type: 'string', default: '80' } } });
    const port = /^[0-9]{1,5}$/.test(values.port) ? Number(values.port) : 65536;
    if (port > 65535) usage(`--port must be a number from 0 to 65535: current value ${JSON.stringify(values.port)}`);
    return { host: values.host ?? null, port };
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error));
  }
}

const options = readOptions();
try {
  const httpbin = await startHttpbin(options);
  const host = httpbin.address.includes(':') ? `[${httpbin.address}]` : httpbin.address;
  process.stdout.write(`httpbin listens on ${host}:${httpbin.port}\n`);
  let asked = false;
  const stop = (signal: NodeJS.Signals) => {
    if (asked) process.exit(1);
    asked = true;
    process.stdout.write(`httpbin got ${signal} and finishes what is under way\n`);
    void httpbin.close().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
} catch (error) {
  process.stderr.write(
    `httpbin: Cannot listen on port ${options.port} because ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exit(1);
}
