import { describe, expect, it } from 'vitest';
import { metricsOf, metricTexts, parseCpuStat, parseMeter, parseSwitches } from './metrics.ts';
import { metricNames } from './types.ts';

describe('metricsOf()', () => {
  it('divides what the roles used by requests and by time', () => {
    const load = { requests: 1000, failed: 0, seconds: 2, average: 1, p50: 1, p75: 2, p90: 3, p99: 4, histogram: [] };
    const used = { all: { usage: 400_000, system: 150_000 }, proxies: { usage: 300_000, system: 100_000 }, switches: 5000 };
    expect(metricsOf(load, used)).toEqual({
      rps: 500,
      average: 1,
      p50: 1,
      p75: 2,
      p90: 3,
      p99: 4,
      proxyCores: 0.15,
      proxyPerRequest: 300,
      proxyUserPerRequest: 200,
      systemPer1000: 150,
      cpuPerRequest: 400,
      switchesPerRequest: 5,
    });
  });

  it('has a text for every figure', () => {
    expect(Object.keys(metricTexts)).toEqual([...metricNames]);
  });
});

describe('parseCpuStat()', () => {
  it('reads the two fields among all others, and throws without them', () => {
    expect(parseCpuStat('usage_usec 10\nuser_usec 7\nsystem_usec 3\nnice_usec 0\n')).toEqual({ usage: 10, system: 3 });
    expect(() => parseCpuStat('usage_usec 10\n')).toThrow(/system_usec/);
  });
});

describe('parseSwitches()', () => {
  it('adds voluntary and involuntary ones', () => {
    expect(parseSwitches('Name:\tx\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n')).toBe(157);
  });
});

describe('parseMeter()', () => {
  it('finds its line among what the program said, and is null without', () => {
    expect(parseMeter('All done\nmillrace-meter 12 30\n')).toBe(42);
    expect(parseMeter('All done\n')).toBeNull();
  });
});
