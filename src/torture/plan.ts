import type { AddressFamily, Expectation, Route, TortureCase } from './types.ts';

/** A case by one route, in one family. */
export interface Step {
  readonly torture: TortureCase;
  readonly route: Route;
  readonly family: AddressFamily;
}

/** Every case by every route that says something about it, in both families, or, if it is heavy, in one of them by turns. Pure. */
export function stepsOf(cases: readonly TortureCase[], round: number): readonly Step[] {
  return cases.flatMap((torture) =>
    routesOf(torture).flatMap((route, index) => {
      const families: readonly AddressFamily[] = torture.heavy ? [(round + index) % 2 === 0 ? 4 : 6] : [4, 6];
      return families.map((family) => ({ torture, route, family }));
    }),
  );
}

/** What applications must not do where their owners ask for their acceleration, done there. Pure. */
export function factSteps(cases: readonly TortureCase[]): readonly Step[] {
  return cases.filter(({ direct }) => direct === 'never').map((torture) => ({ torture, route: 'direct', family: 4 }));
}

/**
 * Applications that do what the sockmap cannot hide belong into pods whose owners do not ask for their acceleration; all others are
 * tortured in both kinds.
 */
function routesOf({ direct }: TortureCase): readonly Route[] {
  return direct === 'never' ? ['direct-unannotated', 'proxied'] : ['direct', 'proxied', 'proxied-all'];
}

/** Whether bytes of a case go by sockmap on a route. Pure. */
export function expected({ direct, proxied }: TortureCase, route: Route): Expectation {
  return route === 'direct' || route === 'direct-unannotated' ? direct : proxied;
}

/** How many accelerated connections lie between the two applications of a route. Pure. */
export function hopsOf(route: Route): number {
  return route === 'proxied-all' ? 3 : 1;
}

/**
 * The seed of a step in a round: the same whichever other cases run, so that one case with the suite's seed shows a failure again. Pure; below 2^31.
 */
export function seedOf(seed: number, round: number, { torture, route, family }: Step): number {
  let hash = 0x811c9dc5;
  for (const character of `${seed} ${round} ${torture.name} ${route} ${family}`) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return hash >>> 1;
}
