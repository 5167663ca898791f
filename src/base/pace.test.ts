import { describe, expect, it } from 'vitest';
import { Pace } from './pace.ts';

describe('Pace', () => {
  it('is due after two milliseconds of work, and again only after another two when it has rested', async () => {
    const pace = new Pace();
    expect(pace.isDue).toBe(false);
    const until = performance.now() + 3;
    while (performance.now() < until);
    expect(pace.isDue).toBe(true);
    let others = 0;
    setImmediate(() => {
      others += 1;
    });
    await pace.rest();
    expect(others).toBe(1);
    expect(pace.isDue).toBe(false);
  });
});
