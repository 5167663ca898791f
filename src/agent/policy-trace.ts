import type { ProgramVerdict, TraceAnswer, TraceRequest, TraceSideAnswer } from '../api/policy-types.ts';
import type { TraceSide } from '../policy/explain.ts';
import { tracePolicy } from '../policy/explain.ts';
import type { PolicyTables } from '../policy/lookup.ts';
import type { PolicyCluster } from '../policy/types.ts';
import { askProgram, judges } from '../policy-tables/index.ts';
import type { DataPlane } from '../redirect/ebpf/data-plane.ts';
import type { GuardedPod } from './guarded-pod.ts';
import { policyAnnotations } from './policy-pod.ts';

export interface TraceContext {
  readonly request: TraceRequest;
  readonly tables: PolicyTables;
  readonly cluster: PolicyCluster;
  readonly pods: readonly GuardedPod[];
  readonly plane: DataPlane;
  readonly node: { readonly fd: number };
}

/** Asks the compiled tables and the loaded programs about one first packet: the source's egress and the destination's ingress. */
export function traceBoth(context: TraceContext): TraceAnswer {
  const { request, tables, cluster } = context;
  const traced = tracePolicy(tables, cluster, request);
  const sides = traced.sides.map((side) => sideOf(side, context));
  const agrees = sides.every((side) => side.agrees);
  const verdict = sides.some((side) => side.verdict === 'deny' && !side.audited) ? 'deny' : 'allow';
  const text = verdict === traced.verdict ? traced.text : `${traced.text} (audited: it passes)`;
  return { request, verdict, agrees, text, sides };
}

function sideOf({ direction, pod, lookup, text }: TraceSide, context: TraceContext): TraceSideAnswer {
  const { verdict, reason, identities } = lookup;
  const guarded = context.pods.find(({ known }) => known !== null && `${known.namespace}/${known.name}` === pod);
  const audited = verdict === 'deny' && guarded?.pod.request.annotations[policyAnnotations.audit] === 'true';
  const program = askOne(direction, guarded, context);
  const expected = verdict === 'allow' || audited ? 'pass' : 'drop';
  return {
    direction,
    pod,
    identities,
    verdict,
    reason,
    audited,
    program,
    // where nothing judges, everything passes
    agrees: program.kind === 'not asked' ? guarded === undefined || expected === 'pass' : program.kind === expected,
    text,
  };
}

function askOne(
  direction: TraceSide['direction'],
  guarded: GuardedPod | undefined,
  { request, plane, node }: TraceContext,
): ProgramVerdict {
  if (guarded === undefined) return { kind: 'not asked', reason: 'the pod is on another node' };
  const [first] = guarded.guard?.interfaces ?? [];
  if (first === undefined) return { kind: 'not asked', reason: guarded.failure ?? 'no program hangs at its interface' };
  const { cookie } = guarded.pod.netns;
  const kind = askProgram(plane.object, plane.maps, node, { ...request, direction, cookie, interfaceIndex: first.index });
  return { kind, program: judges[direction], interfaceIndex: first.index };
}
