import { setTimeout as sleep } from 'node:timers/promises';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import { complaints, differences } from './compare.ts';
import type { Footprint } from './growth.ts';
import { footprint, growth } from './growth.ts';
import type { Step } from './plan.ts';
import { expected, factSteps, hopsOf, seedOf, stepsOf } from './plan.ts';
import type { TorturePods } from './pods.ts';
import type { TortureCase, Transcript, Trial } from './types.ts';

export interface TortureOptions {
  /** Seconds; the first round ends anyway. */
  readonly duration: number;
  /** Names of cases, or parts of them; none: all. */
  readonly cases: readonly string[];
  /** Programs that redirect always, which must fail. */
  readonly naive: boolean;
  /** Not a test: what applications would see that do what an accelerated socket cannot hide from them. */
  readonly facts: boolean;
  readonly accelerate: 'on' | 'off' | 'both';
  readonly seed: number;
  /** Runs at once, after the first round. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  /** Called as soon as both runs of a step are over. */
  readonly onTrial?: (trial: Trial) => void;
}

/** What a torture has shown. */
export interface TortureResult {
  readonly trials: readonly Trial[];
  /** Cases that this machine cannot run, each with the reason. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
  /** What grew between the first round and the end, in words. */
  readonly grown: readonly string[];
  /** Memory and tables after the first round, and at the end. */
  readonly footprints: readonly [Footprint, Footprint];
  /** The largest figure of each kind that the runs have measured. */
  readonly measures: Readonly<Record<string, { readonly plain: number; readonly accelerated: number }>>;
  readonly acceleratedBytes: number;
  readonly rounds: number;
  readonly seconds: number;
}

/** Seconds that a run may take on a busy machine; what the naive way breaks waits as long. */
const patience = { careful: 30, naive: 8 } as const;

/** One run of the suite: rounds of trials in pods that are there. */
export class Torture {
  readonly #options: TortureOptions;
  readonly #plane: DataPlane;
  readonly #pods: TorturePods;
  readonly #trials: Trial[] = [];
  /** The most bytes that waited for a slow reader on plain TCP, by step. */
  readonly #queued = new Map<string, number>();
  readonly #measures: Record<string, { plain: number; accelerated: number }> = {};

  constructor(options: TortureOptions, plane: DataPlane, pods: TorturePods) {
    this.#options = options;
    this.#plane = plane;
    this.#pods = pods;
  }

  async run(cases: readonly TortureCase[]): Promise<TortureResult> {
    const started = performance.now();
    const over = (): boolean => performance.now() - started >= this.#options.duration * 1000;
    const runnable = cases.filter(({ missing }) => missing === null);
    const bytesBefore = this.#acceleratedBytes();
    let rounds = 0;
    let first: Footprint | null = null;
    do {
      // the first round says of each case what it sent by sockmap: nothing else runs beside it then
      const steps = this.#options.facts ? factSteps(runnable) : stepsOf(runnable, rounds);
      await this.#round(steps, rounds, rounds === 0 ? () => false : over);
      rounds += 1;
      first ??= await this.#footprint();
    } while (!over() && runnable.length > 0);
    const last = await this.#footprint();
    return {
      trials: this.#trials,
      skipped: cases.flatMap(({ name, missing }) => (missing === null ? [] : [{ name, reason: missing }])),
      grown: growth(first, last),
      footprints: [first, last],
      measures: this.#measures,
      acceleratedBytes: this.#acceleratedBytes() - bytesBefore,
      rounds,
      seconds: (performance.now() - started) / 1000,
    };
  }

  /** Connections of the last cases may still be closing: looked at again until no row is left, for two seconds at most. */
  async #footprint(): Promise<Footprint> {
    const proxies = Object.values(this.#pods.pairs).flatMap((pair) => pair.proxies);
    for (let attempt = 0; ; attempt += 1) {
      const found = footprint(this.#plane, proxies);
      if (attempt === 20 || Object.values(found.rows).every((rows) => rows === 0)) return found;
      await sleep(100, undefined, { signal: this.#options.signal });
    }
  }

  #acceleratedBytes(): number {
    return this.#plane.counters().accelerated_bytes ?? 0;
  }

  /** Every step on plain TCP, then every step accelerated; in every third round acceleration goes on and off meanwhile. */
  async #round(steps: readonly Step[], round: number, over: () => boolean): Promise<void> {
    const { accelerate, jobs } = this.#options;
    const plain = accelerate === 'on' ? [] : await this.#all('off', steps, round, jobs, over);
    const accelerated =
      accelerate === 'off'
        ? []
        : await this.#all('on', steps, round, round === 0 ? 1 : jobs, over, (index, ran) =>
            this.#judge(steps, round, index, plain[index] ?? null, ran),
          );
    if (accelerated.length > 0) return;
    for (const [index, ran] of plain.entries()) this.#judge(steps, round, index, ran ?? null, null);
  }

  async #all(
    wanted: 'on' | 'off',
    steps: readonly Step[],
    round: number,
    jobs: number,
    over: () => boolean,
    onRan: (index: number, ran: Ran) => void = () => undefined,
  ): Promise<readonly (Ran | undefined)[]> {
    this.#plane.setAcceleration(wanted);
    await using _ = this.#flicker(wanted === 'on' && round % 3 === 2);
    const results: (Ran | undefined)[] = new Array(steps.length).fill(undefined);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < steps.length && !over()) {
        const index = next;
        next += 1;
        const step = steps[index];
        if (step === undefined) return;
        const ran = await this.#one(step, seedOf(this.#options.seed, round, step), jobs === 1);
        results[index] = ran;
        onRan(index, ran);
      }
    };
    await Promise.all(Array.from({ length: jobs }, worker));
    return results;
  }

  /** Switches acceleration off and on while connections are open, as an operator may. */
  #flicker(wanted: boolean): AsyncDisposable {
    const stop = new AbortController();
    const flickers = async (): Promise<void> => {
      for (let on = false; wanted && !stop.signal.aborted; on = !on) {
        await sleep(on ? 30 : 150, undefined, { signal: stop.signal });
        this.#plane.setAcceleration(on ? 'on' : 'off');
      }
    };
    const ended = flickers().catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
    return {
      [Symbol.asyncDispose]: () => {
        stop.abort();
        return ended;
      },
    };
  }

  async #one({ torture, route, family }: Step, seed: number, alone: boolean): Promise<Ran> {
    const { signal, naive, facts } = this.#options;
    signal.throwIfAborted();
    const { client, server, addresses } = this.#pods.pairs[route];
    const before = this.#acceleratedBytes();
    const place = {
      client,
      server,
      address: addresses[family],
      seed,
      patience: naive || facts ? patience.naive : patience.careful,
      signal,
    };
    const transcript = await torture.run(place).catch((error: unknown): Transcript => {
      signal.throwIfAborted();
      return { lines: [`!${error instanceof Error ? error.message : String(error)}`], failed: true, measures: {} };
    });
    return { transcript, bytes: alone ? this.#acceleratedBytes() - before : null };
  }

  #judge(steps: readonly Step[], round: number, index: number, plain: Ran | null, accelerated: Ran | null): void {
    const step = steps[index];
    // the time was over before its turn came
    if (step === undefined || (this.#options.accelerate === 'both' && (plain === null || accelerated === null))) return;
    if (plain === null && accelerated === null) return;
    this.#remember(plain?.transcript ?? null, accelerated?.transcript ?? null);
    const trial: Trial = {
      name: step.torture.name,
      route: step.route,
      family: step.family,
      seed: seedOf(this.#options.seed, round, step),
      expectation: expected(step.torture, step.route),
      bytes: accelerated?.bytes ?? null,
      differences: [...this.#compare(step, plain, accelerated), ...this.#misled(step, accelerated)],
    };
    this.#trials.push(trial);
    this.#options.onTrial?.(trial);
  }

  #compare({ torture, route }: Step, plain: Ran | null, accelerated: Ran | null): readonly string[] {
    if (plain === null) return accelerated === null ? [] : complaints('accelerated', accelerated.transcript);
    if (accelerated === null) return complaints('plain TCP', plain.transcript);
    const key = `${torture.name} ${route}`;
    const queued = Math.max(this.#queued.get(key) ?? 0, plain.transcript.measures.queued ?? 0);
    this.#queued.set(key, queued);
    return differences(plain.transcript, accelerated.transcript, queued, hopsOf(route));
  }

  /** A sockmap that should not have been used is a failure in each run; one that should have been is judged over all of them. */
  #misled({ torture, route }: Step, accelerated: Ran | null): readonly string[] {
    const bytes = accelerated?.bytes ?? 0;
    if (this.#options.facts || expected(torture, route) !== 'never' || bytes === 0) return [];
    return [`${bytes} bytes went by sockmap, and none may: the owner of these pods has not asked for it`];
  }

  #remember(plain: Transcript | null, accelerated: Transcript | null): void {
    for (const [name, value] of Object.entries(plain?.measures ?? {}))
      this.#measure(name).plain = Math.max(this.#measure(name).plain, value);
    for (const [name, value] of Object.entries(accelerated?.measures ?? {})) {
      this.#measure(name).accelerated = Math.max(this.#measure(name).accelerated, value);
    }
  }

  #measure(name: string): { plain: number; accelerated: number } {
    const found = this.#measures[name] ?? { plain: 0, accelerated: 0 };
    this.#measures[name] = found;
    return found;
  }
}

interface Ran {
  readonly transcript: Transcript;
  readonly bytes: number | null;
}
