import { lostSourceNames } from '../codes.ts';
import type { Flow, LostEvents, Timestamp } from '../types.ts';
import type { Painter } from './colour.ts';
import { plain } from './colour.ts';
import { alignTabs } from './tab-columns.ts';
import type { TimeFormat } from './time-format.ts';
import { formatTime } from './time-format.ts';
import { hostsOf, identityOf, summaryOf, typeOf, verdictOf } from './words.ts';

/** The state of nodes, as a relay tells it. */
export interface NodeStatus {
  readonly stateChange: number;
  readonly nodeNames: readonly string[];
  readonly message: string;
}

/** One answer of a server of flows: observer.GetFlowsResponse of Hubble's API. */
export interface FlowAnswer {
  readonly responseTypes:
    | { readonly case: 'flow'; readonly value: Flow }
    | { readonly case: 'lostEvents'; readonly value: LostEvents }
    | { readonly case: 'nodeStatus'; readonly value: NodeStatus }
    | { readonly case: undefined; readonly value?: undefined };
  readonly nodeName: string;
  readonly time?: Timestamp;
}

export interface PrinterOptions {
  readonly format: 'compact' | 'dict' | 'table';
  readonly painter: Painter;
  /** Pods, services and DNS names in place of addresses. */
  readonly names: boolean;
  readonly nodeName: boolean;
  readonly policyNames: boolean;
  readonly timeFormat: TimeFormat;
  /** Also what a relay says of nodes that are well. */
  readonly debug: boolean;
}

/** Texts for the two streams. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

const nothing: Printed = { out: '', err: '' };
const separator = '------------\n';

/** Prints flows byte for byte as `hubble observe` does, in its formats for people. Pure: gives texts and writes nothing. */
export class FlowPrinter {
  readonly #options: PrinterOptions;
  readonly #paint: Painter;
  #lines = 0;
  #table = '';

  constructor(options: PrinterOptions) {
    this.#options = options;
    // columns are aligned by what is printed, so colours would shift them
    this.#paint = options.format === 'table' ? plain : options.painter;
  }

  /** What one answer adds. A table says nothing before `finish`. */
  print(answer: FlowAnswer): Printed {
    switch (answer.responseTypes.case) {
      case 'flow':
        return this.#add(this.#flow(answer.responseTypes.value));
      case 'lostEvents':
        return this.#add(this.#lost(answer.responseTypes.value, answer));
      case 'nodeStatus':
        return this.#nodeStatus(answer.responseTypes.value, answer);
      case undefined:
        return nothing;
    }
  }

  /** What is left to print at the end: a table. */
  finish(): string {
    const table = alignTabs(this.#table);
    this.#table = '';
    return table;
  }

  #add(text: string): Printed {
    const escaped = this.#paint.escape(text);
    this.#lines += 1;
    if (this.#options.format !== 'table') return { out: escaped, err: '' };
    this.#table += escaped;
    return nothing;
  }

  #time(time: Timestamp | undefined): string {
    return formatTime(time, this.#options.timeFormat);
  }

  #flow(flow: Flow): string {
    const { format, names, nodeName, policyNames } = this.#options;
    const [source, destination] = hostsOf(flow, this.#paint, names);
    const time = this.#time(flow.time);
    const type = typeOf(flow);
    const outcome = verdictOf(flow, this.#paint, policyNames);
    const summary = summaryOf(flow, this.#paint);
    switch (format) {
      case 'table':
        return this.#row(time, flow.nodeName, source, destination, type, outcome, summary);
      case 'dict':
        return this.#record([
          ['TIMESTAMP', time],
          ...(nodeName ? [['NODE', flow.nodeName] as const] : []),
          ['SOURCE', source],
          ['DESTINATION', destination],
          ['TYPE', type],
          ['VERDICT', outcome],
          ['SUMMARY', summary],
        ]);
      case 'compact': {
        const from = `${source} ${identityOf(flow.source, this.#paint)}`;
        const to = `${destination} ${identityOf(flow.destination, this.#paint)}`;
        // a reply is shown as the connection runs, its arrow turned
        const path = flow.isReply === undefined ? `${from} <> ${to}` : flow.isReply ? `${to} <- ${from}` : `${from} -> ${to}`;
        return `${time}${nodeName ? ` [${flow.nodeName}]` : ''}: ${path} ${type} ${outcome} (${summary})\n`;
      }
    }
  }

  #lost(lost: LostEvents, answer: FlowAnswer): string {
    const { format, nodeName } = this.#options;
    const source = lostSourceNames[lost.source] ?? String(lost.source);
    const time = this.#time(answer.time);
    const node = answer.nodeName === '' ? '-' : answer.nodeName;
    const range =
      lost.first === undefined || lost.last === undefined ? '' : ` (first: ${this.#time(lost.first)}, last: ${this.#time(lost.last)})`;
    // Hubble names a CPU, which our ring does not have: its events come from all of them.
    switch (format) {
      case 'table':
        return this.#row(time, node, source, '-', 'EVENTS LOST', '-', `CPU(0) - ${lost.numEventsLost}${range}`);
      case 'dict':
        return this.#record([
          ['TIMESTAMP', time],
          ...(nodeName ? [['NODE', node] as const] : []),
          ['SOURCE', source],
          ['TYPE', 'EVENTS LOST'],
          ['VERDICT', '-'],
          ['SUMMARY', `CPU(0) - ${lost.numEventsLost}${range}`],
        ]);
      case 'compact':
        return `${time} EVENTS LOST: ${source} CPU(0) ${lost.numEventsLost}${range}\n`;
    }
  }

  #row(time: string, node: string, ...cells: readonly string[]): string {
    const { nodeName } = this.#options;
    const titles = ['TIMESTAMP', ...(nodeName ? ['NODE'] : []), 'SOURCE', 'DESTINATION', 'TYPE', 'VERDICT', 'SUMMARY'];
    const head = this.#lines === 0 ? `${titles.join('\t')}\n` : '';
    return `${head}${[time, ...(nodeName ? [node] : []), ...cells].join('\t')}\n`;
  }

  #record(fields: readonly (readonly [string, string])[]): string {
    return (this.#lines === 0 ? '' : separator) + fields.map(([title, value]) => `${title.padStart(11)}: ${value}\n`).join('');
  }

  #nodeStatus(status: NodeStatus, answer: FlowAnswer): Printed {
    const state = nodeStates[status.stateChange];
    if (!this.#options.debug && state?.failure !== true) return nothing;
    const names = joinShort(status.nodeNames);
    const time = this.#time(answer.time);
    if (this.#options.format === 'dict') {
      const before = this.#lines === 0 ? '' : separator;
      if (this.#lines === 0) this.#lines += 1;
      const message = status.message === '' ? 'N/A' : JSON.stringify(status.message);
      const fields = `  TIMESTAMP: ${time}\n      STATE: ${state?.name ?? status.stateChange}\n      NODES: ${names}\n    MESSAGE: ${message}\n`;
      return { out: '', err: this.#paint.escape(before + fields) };
    }
    const count = status.nodeNames.length;
    const says = state === undefined ? `state ${status.stateChange} of ${count} nodes: ${names}` : state.says(count, names, status.message);
    return { out: '', err: this.#paint.escape(`${time} [${answer.nodeName}]: ${says}\n`) };
  }
}

interface NodeState {
  readonly name: string;
  readonly failure: boolean;
  readonly says: (count: number, names: string, message: string) => string;
}

/** enum relay.NodeState by number, as far as Hubble has words for it. */
const nodeStates: Readonly<Record<number, NodeState>> = {
  1: { name: 'NODE_CONNECTED', failure: false, says: (count, names) => `Receiving flows from ${count} nodes: ${names}` },
  2: { name: 'NODE_UNAVAILABLE', failure: true, says: (count, names) => `${count} nodes are unavailable: ${names}` },
  3: { name: 'NODE_GONE', failure: false, says: (count, names) => `${count} nodes removed from cluster: ${names}` },
  4: { name: 'NODE_ERROR', failure: true, says: (count, names, message) => `Error ${JSON.stringify(message)} on ${count} nodes: ${names}` },
};

const longestList = 50;

/** As many names as fit into 50 characters, at least one, and how many more there are. */
function joinShort(names: readonly string[]): string {
  let length = 0;
  const end = names.findIndex((name, index) => {
    length += name.length + 2;
    return length > longestList && index > 0;
  });
  return end < 0 ? names.join(', ') : `${names.slice(0, end).join(', ')} (and ${names.length - end} more)`;
}
