import type { DecodedPacket, Packet } from 'dns-packet';
import { decode, encode, RECURSION_DESIRED } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answerQuery, upstreamFailure } from './answer.ts';
import { readQuery } from './query.ts';
import { meshService, workload } from './testdata/snapshot.ts';
import { withOutsideNames, zoneOf } from './zone.ts';

const many = Array.from({ length: 60 }, (_, index) => workload(`db-${index}`, `10.1.1.${index + 1}`, { labels: { app: 'db' } }));
const zone = zoneOf({
  clusterDomain: 'cluster.local',
  services: [
    meshService({ clusterIPs: ['10.96.0.7', 'fd00:96::7'] }),
    meshService({ name: 'db', clusterIPs: [], headless: true, selector: { app: 'db' } }),
    meshService({ name: 'legacy', clusterIPs: ['10.96.0.8'] }),
  ],
  workloads: [workload('httpbin-1', '10.1.0.7'), ...many],
});

const header = (message: Buffer) => ({
  rcode: message.readUInt16BE(2) & 0xf,
  flags: message.readUInt16BE(2) & 0xfff0,
  questions: message.readUInt16BE(4),
});

// The library encodes ANY and UNKNOWN_65 too; its types do not say so.
function query(name: string, typeName: string, rest: Packet = {}): Buffer {
  const type = typeName as 'A';
  return encode({ type: 'query', id: 0x1234, flags: RECURSION_DESIRED, questions: [{ name, type }], ...rest });
}

function edns(udpPayloadSize: number, ednsVersion = 0): Packet {
  const flags = { flags: 0, flag_do: false, extendedRcode: 0 };
  return { additionals: [{ type: 'OPT', name: '.', udpPayloadSize, ednsVersion, options: [], ...flags }] };
}

function ask(
  message: Buffer,
  options: { transport?: 'udp' | 'tcp'; forwarding?: boolean } = {},
): DecodedPacket & { readonly rcode: number; readonly raw: Buffer } {
  const action = answerQuery(message, zone, { transport: 'udp', forwarding: false, ...options });
  if (action.kind !== 'respond') throw new Error(`no response but ${action.kind}`);
  return { ...decode(action.message), rcode: header(action.message).rcode, raw: action.message };
}

const data = (packet: Packet) => (packet.answers ?? []).map((answer) => ('data' in answer ? answer.data : null));
const httpbin = 'httpbin.demo.svc.cluster.local';

describe('answerQuery() in the zone', () => {
  it.each<[string, string, string, unknown[]]>([
    ['A of a service', httpbin, 'A', ['10.96.0.7']],
    ['AAAA of a service', httpbin, 'AAAA', ['fd00:96::7']],
    ['ANY of a service', httpbin, 'ANY', ['10.96.0.7', 'fd00:96::7']],
    ['a final dot', `${httpbin}.`, 'A', ['10.96.0.7']],
    ['SRV of a port', `_http._tcp.${httpbin}`, 'SRV', [{ priority: 0, weight: 100, port: 8000, target: httpbin }]],
    ['A of a pod', '10-1-0-7.demo.pod.cluster.local', 'A', ['10.1.0.7']],
    ['A of an endpoint', '10-1-1-3.db.demo.svc.cluster.local', 'A', ['10.1.1.3']],
    ['PTR of a cluster address', '7.0.96.10.in-addr.arpa', 'PTR', [httpbin]],
  ])('answerQuery() answers %s', (_name, name, type, expected) => {
    const response = ask(query(name, type));
    expect(data(response)).toEqual(expected);
    expect(response).toMatchObject({ id: 0x1234, rcode: 0, flag_qr: true, flag_aa: true, flag_rd: true, flag_ra: false, flag_tc: false });
  });

  it('answerQuery() adds the addresses of the target when the question is for SRV', () => {
    const { additionals } = ask(query(`_http._tcp.${httpbin}`, 'SRV'));
    expect(additionals).toMatchObject([
      { type: 'A', name: httpbin, data: '10.96.0.7' },
      { type: 'AAAA', name: httpbin },
    ]);
  });

  it.each<[string, string]>([
    ['legacy.demo.svc.cluster.local', 'AAAA'],
    [httpbin, 'MX'],
    [httpbin, 'UNKNOWN_65'],
    ['demo.svc.cluster.local', 'A'],
    ['svc.cluster.local', 'A'],
    ['cluster.local', 'A'],
  ])('answerQuery() answers nothing, with the SOA, when %s exists without %s', (name, type) => {
    const response = ask(query(name, type));
    expect(response).toMatchObject({ rcode: 0, answers: [], authorities: [{ type: 'SOA', name: 'cluster.local', data: { minimum: 5 } }] });
  });

  it.each([
    'nothing.demo.svc.cluster.local',
    'httpbin.other.svc.cluster.local',
    'example.com.demo.svc.cluster.local',
    '10-1-0-7.other.pod.cluster.local',
    '10-9-9-9.demo.pod.cluster.local',
    'constructor.cluster.local',
  ])('answerQuery() answers NXDOMAIN, with the SOA, when there is no %s', (name) => {
    expect(ask(query(name, 'A'), { forwarding: true })).toMatchObject({
      rcode: 3,
      flag_aa: true,
      answers: [],
      authorities: [{ type: 'SOA', name: 'cluster.local' }],
    });
  });

  it('answerQuery() answers the SOA of the domain', () => {
    expect(ask(query('cluster.local', 'SOA')).answers).toMatchObject([{ type: 'SOA', data: { mname: 'ns.dns.cluster.local' } }]);
  });

  it('answerQuery() repeats the question byte by byte when the client mixes cases', () => {
    const message = query('hTTpBin.DeMo.sVc.CLUSTER.local', 'A');
    const response = ask(message);
    expect(response.answers).toMatchObject([{ name: 'hTTpBin.DeMo.sVc.CLUSTER.local', data: '10.96.0.7' }]);
    expect(response.raw.subarray(12, message.length)).toEqual(message.subarray(12));
  });

  it('answerQuery() does not take a dot inside a label for a separator', () => {
    const message = query('httpbinxdemo.svc.cluster.local', 'A');
    message.write('.', 12 + 1 + 'httpbin'.length);
    const response = ask(message);
    expect(response.rcode).toBe(3);
    expect(response.raw.subarray(12, message.length)).toEqual(message.subarray(12));
  });
});

describe('answerQuery() outside of the zone', () => {
  it('answerQuery() refuses when no upstream server is configured', () => {
    for (const name of ['example.com', 'notcluster.local', 'local', '.', '9.9.9.9.in-addr.arpa']) {
      expect(ask(query(name, 'A'))).toMatchObject({ rcode: 5, flag_aa: false, answers: [], authorities: [] });
    }
  });

  it('answerQuery() says why as an extended error when the client speaks EDNS', () => {
    const { raw, additionals } = ask(query('example.com', 'A', edns(1232)));
    expect(additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }]);
    const text = 'the name is not in cluster.local and no upstream name server is configured';
    expect(raw.subarray(-text.length - 6)).toEqual(Buffer.from([0, 15, 0, text.length + 2, 0, 20, ...Buffer.from(text)]));
  });

  it('answerQuery() forwards when an upstream server is configured', () => {
    for (const name of ['example.com', '9.9.9.9.in-addr.arpa']) {
      const action = answerQuery(query(name, 'A'), zone, { transport: 'udp', forwarding: true });
      expect(action).toMatchObject({ kind: 'forward', query: { name } });
    }
  });

  it('upstreamFailure() is SERVFAIL with the reason', () => {
    const read = readQuery(query('example.com', 'A', edns(1232)));
    if (read.kind !== 'query') throw new Error(read.kind);
    const message = upstreamFailure(read.query, 'no answer within 2000 ms', 'udp');
    expect(header(message).rcode).toBe(2);
    expect(message.includes('no answer within 2000 ms')).toBe(true);
  });
});

describe('answerQuery() and sizes', () => {
  it('answerQuery() truncates at 512 bytes when the client does not speak EDNS', () => {
    const response = ask(query('db.demo.svc.cluster.local', 'A'));
    expect(response).toMatchObject({ rcode: 0, flag_tc: true, answers: [] });
    expect(response.raw.length).toBeLessThanOrEqual(512);
  });

  it('answerQuery() stays within 1232 bytes when the client offers more, and within what it offers when less', () => {
    expect(ask(query('db.demo.svc.cluster.local', 'A', edns(65_535)))).toMatchObject({ flag_tc: true, additionals: [{ type: 'OPT' }] });
    const single = '10-1-1-3.db.demo.svc.cluster.local';
    expect(ask(query(single, 'A', edns(100))).flag_tc).toBe(false);
  });

  it('answerQuery() gives everything over TCP', () => {
    expect(ask(query('db.demo.svc.cluster.local', 'A'), { transport: 'tcp' })).toMatchObject({ flag_tc: false, answers: { length: 60 } });
  });

  it('answerQuery() drops additional records before it truncates', () => {
    const name = '_http._tcp.db.demo.svc.cluster.local';
    const few = zoneOf({
      clusterDomain: 'cluster.local',
      services: [meshService({ name: 'db', clusterIPs: [], headless: true, selector: { app: 'db' } })],
      workloads: many.slice(0, 4),
    });
    const action = answerQuery(query(name, 'SRV'), few, { transport: 'udp', forwarding: false });
    if (action.kind !== 'respond') throw new Error(action.kind);
    expect(decode(action.message)).toMatchObject({ flag_tc: false, answers: { length: 4 }, additionals: [] });
  });
});

describe('answerQuery() and hostile messages', () => {
  const good = query(httpbin, 'A', edns(1232));
  const patched = (change: (message: Buffer) => void) => {
    const message = Buffer.from(good);
    change(message);
    return message;
  };

  // Without EDNS, and long enough to be read as a label of 192 bytes: nothing else is wrong with it.
  const pointerToZero = Buffer.concat([query(httpbin, 'A'), Buffer.alloc(300)]);
  pointerToZero.writeUInt16BE(0xc004, 12);

  it.each<[string, Buffer, number]>([
    ['no question', Buffer.from([0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 1],
    ['two questions', patched((m) => m.writeUInt16BE(2, 4)), 1],
    ['65,535 additional records', patched((m) => m.writeUInt16BE(65_535, 10)), 1],
    ['answers in a question', patched((m) => m.writeUInt16BE(1, 6)), 1],
    ['a name that runs out', good.subarray(0, 20), 1],
    ['a question without its type', good.subarray(0, 12 + httpbin.length + 2), 1],
    ['a compression pointer to itself', patched((m) => m.writeUInt16BE(0xc00c, 12)), 1],
    ['a compression pointer into the header', patched((m) => m.writeUInt16BE(0xc000, 12)), 1],
    ['a compression pointer to a zero of the header', pointerToZero, 1],
    ['a label type that does not exist', patched((m) => m.writeUInt8(0x80, 12)), 1],
    ['a damaged OPT', good.subarray(0, -3), 1],
    ['two OPTs', Buffer.concat([patched((m) => m.writeUInt16BE(2, 10)), good.subarray(-11)]), 1],
    ['a name of 300 bytes', query(Array.from({ length: 30 }, () => 'a'.repeat(9)).join('.'), 'A'), 1],
    ['an update', patched((m) => m.writeUInt16BE(5 << 11, 2)), 4],
    ['a status request', patched((m) => m.writeUInt16BE(2 << 11, 2)), 4],
    ['another class', encode({ type: 'query', id: 0x1234, questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }] }), 5],
    ['a zone transfer', query('cluster.local', 'AXFR'), 5],
  ])('answerQuery() answers an error and goes on when it gets %s', (_name, message, rcode) => {
    const response = ask(message, { forwarding: true });
    expect(response).toMatchObject({ id: 0x1234, rcode, answers: [] });
  });

  it('answerQuery() answers BADVERS when the version of EDNS is unknown', () => {
    const { additionals, rcode } = ask(query(httpbin, 'A', edns(1232, 1)));
    expect(rcode).toBe(0);
    expect(additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1 }]);
  });

  it('answerQuery() answers nothing when it gets a response or less than a header', () => {
    const options = { transport: 'udp', forwarding: true } as const;
    expect(
      answerQuery(
        patched((m) => m.writeUInt16BE(0x8180, 2)),
        zone,
        options,
      ),
    ).toEqual({ kind: 'ignore' });
    for (let length = 0; length < 12; length++) expect(answerQuery(good.subarray(0, length), zone, options)).toEqual({ kind: 'ignore' });
  });

  it('answerQuery() never throws and never answers more than a datagram holds when the bytes are random', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, asQuery) => {
        const message = Buffer.from(bytes);
        if (asQuery && message.length >= 12) Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 1]).copy(message, 2);
        const action = answerQuery(message, zone, { transport: 'udp', forwarding: false });
        if (action.kind === 'respond') expect(action.message.length).toBeLessThanOrEqual(1232);
      }),
      { numRuns: 3000 },
    );
  });

  it('answerQuery() never throws when a good message has single bytes changed', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, value, cut) => {
        const message = patched((m) => m.writeUInt8(value, at)).subarray(0, cut);
        expect(['respond', 'ignore', 'forward']).toContain(answerQuery(message, zone, { transport: 'udp', forwarding: true }).kind);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('answerQuery() of names outside', () => {
  const outside = withOutsideNames(
    zone,
    new Map([
      ['api.example.com', [{ kind: 'A', address: '172.20.0.10' } as const]],
      ['www.example.com', [{ kind: 'CNAME', target: 'api.example.com' } as const]],
      ['gone.example.com', [{ kind: 'CNAME', target: 'nobody.example.net' } as const]],
      ['loop.example.com', [{ kind: 'CNAME', target: 'loop.example.com' } as const]],
    ]),
  );
  const askOutside = (name: string, type: string) => {
    const action = answerQuery(query(name, type), outside, { transport: 'udp', forwarding: false });
    if (action.kind !== 'respond') throw new Error(`no response but ${action.kind}`);
    return { ...decode(action.message), rcode: header(action.message).rcode };
  };

  it.each<[string, string, unknown[]]>([
    ['API.example.com.', 'A', [['API.example.com', 'A', '172.20.0.10']]],
    ['api.example.com', 'AAAA', []],
    [
      'www.example.com',
      'A',
      [
        ['www.example.com', 'CNAME', 'api.example.com'],
        ['api.example.com', 'A', '172.20.0.10'],
      ],
    ],
    ['www.example.com', 'CNAME', [['www.example.com', 'CNAME', 'api.example.com']]],
    ['gone.example.com', 'A', [['gone.example.com', 'CNAME', 'nobody.example.net']]],
  ])('answerQuery() answers %s %s', (name, type, expected) => {
    const { answers = [], authorities, rcode } = askOutside(name, type);
    expect(answers.map((answer) => [answer.name, answer.type, 'data' in answer ? answer.data : null])).toEqual(expected);
    expect({ rcode, authorities }).toEqual({ rcode: 0, authorities: [] });
  });

  it('answerQuery() ends where aliases do not, and refuses what is neither in the zone nor outside', () => {
    expect(askOutside('loop.example.com', 'A').answers?.length).toBeLessThan(20);
    expect(askOutside('other.example.com', 'A').rcode).toBe(5);
  });
});
