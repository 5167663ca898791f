import { describe, expect, it } from 'vitest';
import { Drop } from '../../abi/gen/index.ts';
import { capturePointNames, directionNames, ipVersionNames, lostSourceNames, verdictNames } from '../../flow/codes.ts';
import { dropReasonNames } from '../../flow/drop-reason.ts';
import { dropText } from '../../flow/drop-text.ts';
import { DebugCapturePoint, DropReason, IPVersion, LostEventSource, TrafficDirection, Verdict } from './gen/flow/flow_pb.js';

/** The names of a generated enumeration by number. */
function namesOf(enumeration: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(enumeration).filter(([key]) => /^\d+$/.test(key)));
}

describe('codes of flows', () => {
  it.each([
    ['Verdict', verdictNames, Verdict],
    ['TrafficDirection', directionNames, TrafficDirection],
    ['IPVersion', ipVersionNames, IPVersion],
    ['LostEventSource', lostSourceNames, LostEventSource],
    ['DebugCapturePoint', capturePointNames, DebugCapturePoint],
    ['DropReason', dropReasonNames, DropReason],
  ])('are those of the interface: %s', (_name, ours, generated) => {
    expect({ ...ours }).toEqual(namesOf(generated));
  });

  it('have a name and a text for every reason that the kernel side drops for', () => {
    for (const [name, code] of Object.entries(Drop)) {
      expect(dropReasonNames[code], name).toBeDefined();
      expect(dropText(code), name).not.toMatch(/^\d/);
    }
  });
});
