import { nanosecondsOf } from '../../flow/wall-clock.ts';
import type { GetFlowsResponse } from '../../serve/hubble/gen/observer/observer_pb.js';

type Answers = AsyncIterable<GetFlowsResponse>;

function timeOf({ time }: GetFlowsResponse): bigint {
  return time === undefined ? 0n : nanosecondsOf(time);
}

/** Several streams, each in the order of time, as one. Waits for the next answer of each, so it suits streams that end. */
export async function* mergeByTime(streams: readonly Answers[]): AsyncGenerator<GetFlowsResponse> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]());
  const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
  for (;;) {
    let earliest = -1;
    for (const [index, head] of heads.entries()) {
      if (head.done === true) continue;
      const best = heads[earliest];
      if (best === undefined || best.done === true || timeOf(head.value) < timeOf(best.value)) earliest = index;
    }
    const head = heads[earliest];
    const iterator = iterators[earliest];
    if (head === undefined || head.done === true || iterator === undefined) return;
    yield head.value;
    heads[earliest] = await iterator.next();
  }
}

/** How long an answer waits for earlier ones of other servers. */
const patienceMs = 300;

/** Several streams that go on: what arrives within 300 ms is put in order. Ends when all have ended. */
export async function* mergeFollowing(streams: readonly Answers[]): AsyncGenerator<GetFlowsResponse> {
  let waiting: GetFlowsResponse[] = [];
  let open = streams.length;
  let failure: { readonly error: unknown } | null = null;
  let wake: () => void = () => {};
  const read = async (stream: Answers): Promise<void> => {
    try {
      for await (const answer of stream) {
        waiting.push(answer);
        wake();
      }
    } catch (error) {
      failure = { error };
    } finally {
      open -= 1;
      wake();
    }
  };
  const readers = streams.map(read);
  while (open > 0 || waiting.length > 0) {
    if (waiting.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if (open > 0) await new Promise((resolve) => setTimeout(resolve, patienceMs));
    const batch = waiting.sort((a, b) => Number(timeOf(a) - timeOf(b)));
    waiting = [];
    yield* batch;
  }
  await Promise.all(readers);
  rethrow(failure);
}

function rethrow(failure: { readonly error: unknown } | null): void {
  if (failure !== null) throw failure.error;
}
