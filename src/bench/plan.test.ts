import { describe, expect, it } from 'vitest';
import type { BenchOptions } from './options.ts';
import { estimatedSeconds, scenariosOf, scenarioText, sizeText, streams, streamsOf } from './plan.ts';

const options: BenchOptions = {
  configurations: [
    { name: 'none', kind: 'none', rules: null },
    { name: 'iptables', kind: 'iptables', rules: null },
  ],
  connections: [1, 64, 16],
  bodies: [0, 65_536],
  mtls: ['off', 'on'],
  layouts: ['one CPU', 'spread'],
  duration: 1,
  warmup: 0,
  rounds: 5,
  newConnections: true,
  rate: 500,
  stream: true,
  load: 'fortio',
  proxy: 'envoy',
};

describe('scenariosOf()', () => {
  it('varies one thing at a time around the middle number of connections', () => {
    const texts = scenariosOf(options).map(scenarioText);
    expect(texts.slice(0, 7)).toEqual([
      '1 connection, keep-alive, answers of 0 B, mTLS off, one CPU',
      '64 connections, keep-alive, answers of 0 B, mTLS off, one CPU',
      '16 connections, keep-alive, answers of 0 B, mTLS off, one CPU',
      '16 connections, keep-alive, answers of 64 KiB, mTLS off, one CPU',
      '16 connections, keep-alive, answers of 0 B, mTLS on, one CPU',
      '16 connections, new connections, answers of 0 B, mTLS off, one CPU',
      '16 connections, 500 requests a second, answers of 0 B, mTLS off, one CPU',
    ]);
    expect(texts.slice(7)).toEqual(texts.slice(0, 7).map((text) => text.replace('one CPU', 'spread')));
  });

  it('measures nothing besides when nothing is asked for', () => {
    const plain = {
      ...options,
      connections: [4],
      bodies: [0],
      mtls: ['on'],
      layouts: ['spread'],
      newConnections: false,
      rate: null,
    } as const;
    expect(scenariosOf(plain).map(scenarioText)).toEqual(['4 connections, keep-alive, answers of 0 B, mTLS on, spread']);
  });
});

describe('streamsOf()', () => {
  it('has every size both ways, or nothing when no stream is asked for', () => {
    expect(streamsOf({ stream: true }).map(({ way, piece }) => `${way} ${sizeText(piece)}`)).toEqual(
      ['direct', 'one proxy'].flatMap((way) => ['64 B', '512 B', '4 KiB', '64 KiB', '1 MiB'].map((size) => `${way} ${size}`)),
    );
    expect(streamsOf({ stream: false })).toEqual([]);
  });

  it('goes through a proxy only where there is one', () => {
    expect((['none', 'direct+accelerate', 'policy'] as const).every((kind) => streams(kind, 'direct') && !streams(kind, 'one proxy'))).toBe(
      true,
    );
    expect((['iptables', 'ebpf', 'ebpf+accelerate'] as const).every((kind) => !streams(kind, 'direct') && streams(kind, 'one proxy'))).toBe(
      true,
    );
  });
});

describe('estimatedSeconds()', () => {
  it('counts every run of every configuration when there are several', () => {
    const one = {
      ...options,
      connections: [4],
      bodies: [0],
      mtls: ['off'],
      layouts: ['spread'],
      newConnections: false,
      rate: null,
      stream: false,
    } as const;
    expect(estimatedSeconds({ ...one, rounds: 100 })).toBe(230);
    expect(estimatedSeconds({ ...one, rounds: 100, layouts: ['one CPU', 'spread'] })).toBe(460);
  });
});
