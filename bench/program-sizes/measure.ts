import { BpfObject } from '../../src/kernel/index.ts';

/** How big a program is for the kernel. */
export interface ProgramSize {
  /** Instructions that the verifier walked, over all paths; at most one million. 0 before Linux 5.16. */
  readonly verified: number;
  /** Instructions as they run, after the verifier rewrote them. */
  readonly translated: number;
}

/** Loads an object, with maps of its own, and asks the kernel for the size of every program, by name. Nothing is attached. */
export async function measureSizes(elf: Uint8Array): Promise<Readonly<Record<string, ProgramSize>>> {
  using object = await BpfObject.load(elf, { name: 'millrace' });
  const names = [...object.programNames].sort();
  return Object.fromEntries(
    names.map((name) => {
      const { verifiedInstructions, translatedInstructions } = object.program(name).info();
      return [name, { verified: verifiedInstructions, translated: translatedInstructions }];
    }),
  );
}
