// Sends requests at fixed rates until its standard input ends, then writes what came of them as one line of JSON. Runs inside a pod, so it needs
// nothing but node. Its last argument: JSON of LoadTarget[].
import { Agent, request } from 'node:http';

const tickMs = 5;
const answerWithinMs = 5000;
/** Requests of one kind that wait for their answers at once: a machine that is too busy for the rate is asked for less, and not for ever more. */
const mostInFlight = 64;
/** @type {readonly import('./load.ts').LoadTarget[]} */
const targets = JSON.parse(process.argv.at(-1) ?? '[]');

/** @typedef {{ sent: number, statuses: Record<string, number>, errors: Record<string, number>, direct: number, slowestMs: number }} Report */

/**
 * @param {Record<string, number>} counts
 * @param {string} key
 */
function add(counts, key) {
  counts[key] = (counts[key] ?? 0) + 1;
}

const runs = targets.map((target) => ({
  ...target,
  agent: target.connections === 'kept' ? new Agent({ keepAlive: true, maxSockets: 32 }) : /** @type {const} */ (false),
  due: 0,
  inFlight: 0,
  report: /** @type {Report} */ ({ sent: 0, statuses: {}, errors: {}, direct: 0, slowestMs: 0 }),
}));
let stopping = false;

/** @param {(typeof runs)[number]} run */
function send(run) {
  const { url, agent, report } = run;
  const started = performance.now();
  let open = true;
  run.inFlight += 1;
  report.sent += 1;
  /** @type {(counts: Record<string, number>, key: string) => void} */
  const settle = (counts, key) => {
    if (!open) return;
    open = false;
    run.inFlight -= 1;
    add(counts, key);
    report.slowestMs = Math.max(report.slowestMs, Math.round(performance.now() - started));
    finish();
  };
  /** @type {(error: NodeJS.ErrnoException) => void} */
  const fail = (error) => settle(report.errors, error.code ?? error.message);
  const call = request(url, { agent, timeout: answerWithinMs }, (response) => {
    // Kept connections go back to their agent before the end.
    const ownPort = response.socket.localPort;
    let body = '';
    response.setEncoding('latin1');
    response.on('data', (text) => {
      body += text;
    });
    response.once('end', () => {
      // The server outside of the mesh answers with the port that it sees.
      if (body === String(ownPort)) report.direct += 1;
      settle(report.statuses, String(response.statusCode));
    });
    response.once('error', fail);
  });
  call.once('timeout', () => call.destroy(new Error(`no answer within ${answerWithinMs} ms`)));
  call.once('error', fail);
  call.end();
}

let last = performance.now();
const timer = setInterval(() => {
  const now = performance.now();
  for (const run of runs) {
    run.due += ((now - last) / 1000) * run.perSecond;
    for (; run.due >= 1; run.due -= 1) if (run.inFlight < mostInFlight) send(run);
  }
  last = now;
}, tickMs);

function finish() {
  if (!stopping || runs.some((run) => run.inFlight > 0)) return;
  process.stdout.write(`${JSON.stringify(Object.fromEntries(runs.map((run) => [run.name, run.report])))}\n`, () => process.exit(0));
}

process.stdin.resume();
process.stdin.once('end', () => {
  stopping = true;
  clearInterval(timer);
  finish();
});
process.stdout.write('started\n');
