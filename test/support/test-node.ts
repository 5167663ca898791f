import type { ScratchNode } from '../../src/conformance/scratch-node.ts';
import { createScratchNode } from '../../src/conformance/scratch-node.ts';

export type { ScratchNode as TestNode } from '../../src/conformance/scratch-node.ts';

/** A node of a test's own: a cgroup that holds this very process, so that its sockets are the pods', and a bpf file system. */
export function createTestNode(): Promise<ScratchNode> {
  return createScratchNode(`millrace-test-${process.pid}`);
}
