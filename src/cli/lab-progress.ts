import type { LabPod, LabStatus } from '../lab/api.ts';
import type { Output } from './command.ts';

/** Shows the way to "ready": one line per pod that is rewritten on a terminal, one line per change elsewhere. */
export class LabProgress {
  readonly #output: Output;
  readonly #terminal: boolean;
  #shown: readonly string[] = [];
  readonly #last = new Map<string, string>();

  constructor(output: Output, terminal: boolean) {
    this.#output = output;
    this.#terminal = terminal;
  }

  show(status: LabStatus): void {
    if (this.#terminal) this.#redraw(status.pods.map(podLine));
    else this.#append(status.pods);
  }

  end(): void {
    this.#shown = [];
  }

  #redraw(lines: readonly string[]): void {
    if (lines.join('\n') === this.#shown.join('\n')) return;
    const up = this.#shown.length === 0 ? '' : `\x1b[${this.#shown.length}A`;
    this.#output.write(`${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[J`);
    this.#shown = lines;
  }

  #append(pods: readonly LabPod[]): void {
    for (const pod of pods) {
      const line = podLine(pod);
      const key = `${pod.namespace}/${pod.name}`;
      if (this.#last.get(key) === line) continue;
      this.#last.set(key, line);
      this.#output.write(`${line}\n`);
    }
  }
}

function podLine(pod: LabPod): string {
  const waiting = pod.containers
    .filter((container) => !container.ready)
    .map((container) => `${container.name}: ${container.state.kind === 'waiting' ? container.state.reason : container.state.kind}`);
  return `${pod.namespace}/${pod.name}  ${pod.phase}${waiting.length === 0 || pod.phase === 'Ready' ? '' : `  (${waiting.join(', ')})`}`;
}
