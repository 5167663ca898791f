/** Ranges that mean no machine elsewhere: this one, its loopback and its links, groups, and what is reserved; RFC 6890 and RFC 4291. */
export const specialRanges: readonly string[] = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'],
  ...['::/128', '::1/128', 'fe80::/10', 'ff00::/8'],
];
