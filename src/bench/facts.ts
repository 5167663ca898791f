import type { BenchReport } from './types.ts';

/** What a reader has to know before the figures: how, where and when, one fact a line. */
export function factsOf({ command, started, seconds, machine, rounds, duration }: BenchReport): readonly string[] {
  const { kernel, processors, processor, memory, node, proxy, load, millrace, busyBefore, busyAfter } = machine;
  return [
    `${command}: ${rounds} interleaved ${rounds === 1 ? 'round' : 'rounds'} of ${duration} s, ${seconds} s in all, ${started.slice(0, 10)}`,
    `Linux ${kernel}, ${processors} × ${processor}, ${memory} GiB, Node ${node}, Millrace ${millrace}`,
    `both sidecars: ${proxy}, one worker thread; load: ${load}; server: bench/programs/http-server.c`,
    `load average ${busyBefore} before and ${busyAfter} at the end, of which ours is a part${quiet(busyBefore, processors)}`,
  ];
}

function quiet(busy: number, processors: number): string {
  return busy > processors / 2 ? ': THE MACHINE WAS NOT QUIET, only ratios on one CPU mean something' : '';
}

/** How the figures came about, as paragraphs. */
export const methodText: readonly string[] = [
  "Client and server are two pods of one node. `none` has no mesh and none of our programs; `iptables` has Istio's rules and a sidecar in both pods; `ebpf` has our redirection instead, acceleration off; `proxies+accelerate` has it on as it is without a word of a pod, between the sidecars; `ebpf+accelerate` has pods annotated `millrace.io/accelerate`, so that all three hops are accelerated; `direct+accelerate` are pods whose annotations let this port pass the sidecars, with acceleration on; `policy N` is `none` with a policy of N rules.",
  'Every configuration is a pair of pods of its own and all stand ready at once; in each round each is measured once, and each round begins with another one. Values are medians of the rounds. Ratios are taken within a round, and are printed as the median with the least and the greatest.',
  "CPU time is that of four cgroups (client, server and their sidecars) summed, because loopback and veth do a receiver's softirq work in the sender's time. `SYS` is time inside the kernel, softirq included. `OF IT USER` is what the proxies spend in their own code: no way of redirection changes it, so it bounds every ratio. `CPU` and `SWITCHES` are those of all four.",
  "The two layouts must not be compared with each other. `one CPU` pins all four roles to one CPU: it compares work, and resolves a few percent. `spread` is what a user sees; there a difference under a fifth says nothing, and at saturation P99 is the scheduler's.",
];
