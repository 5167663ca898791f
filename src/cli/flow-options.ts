/** Options of a command that starts an agent: how flows are told and served. What is not given is as in the file, or preset. */
export const flowOptions = {
  'hubble-listen': {
    kind: 'text',
    value: 'ADDRESS:PORT',
    summary: 'serve the Hubble API by TCP too, such as 127.0.0.1:4245; who reaches it sees every flow',
  },
  'hubble-tls-cert': { kind: 'text', value: 'FILE', summary: 'certificate (PEM) of the Hubble API on TCP' },
  'hubble-tls-key': { kind: 'text', value: 'FILE', summary: 'its key' },
  'hubble-tls-client-ca': { kind: 'text', value: 'FILE', summary: 'only clients with a certificate of this authority may ask by TCP' },
  'metrics-listen': { kind: 'text', value: 'ADDRESS:PORT', summary: 'serve /metrics to Prometheus, such as 127.0.0.1:9965' },
  aggregation: {
    kind: 'choice',
    choices: ['none', 'low', 'medium'],
    summary: 'how much is told of packets that pass: none tells of each; medium, unless given, of the first and of every change',
  },
  'flow-limit': {
    kind: 'number',
    value: 'EVENTS',
    minimum: 0,
    maximum: 10_000_000,
    summary: 'what one pod may tell on one CPU within a second; 10000 unless given, 0: all',
  },
  connections: {
    kind: 'choice',
    choices: ['on', 'off'],
    summary: 'tell of each connection when it opens and, with its bytes, when it closes; costs it about 4 µs; off unless given',
  },
} as const;
