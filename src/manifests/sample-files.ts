/** The files that make the sample (namespace demo with sleep, httpbin and sensitive-db), in order, relative to the package's root. */
export const sampleFiles: readonly string[] = [
  'examples/sample/namespace.yaml',
  'examples/policy-article/sample.yaml',
  'examples/sample/sensitive-db.yaml',
];

/** The article's objects name no namespace; they are applied to this one. */
export const sampleNamespace = 'demo';
