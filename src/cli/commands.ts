import { entry } from './registry.ts';

/** Every command. A new one is one line here and one file beside it; the order is that of the help. */
export const commands = [
  entry('doctor', 'say what this machine can do, what is missing and how to get it', async () => (await import('./doctor.ts')).doctor),
];
