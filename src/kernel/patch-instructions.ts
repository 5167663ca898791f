import { MillraceError } from '../base/errors.ts';

const instructionSize = 8;
/** BPF_LD | BPF_DW | BPF_IMM: the only instruction of two slots; its 64-bit constant is split over both. */
const loadImmediate64 = 0x18;

/**
 * A copy of the instructions with every 64-bit constant `magic` replaced by `value`. Only constants are considered (source register 0),
 * never map references. This is how one loaded program becomes one per pod: the constant carries the pod's netns cookie.
 * @throws MillraceError BPF_LOAD when the constant does not occur: the compiler folded it away
 */
export function patchConstant64(instructions: Uint8Array, magic: bigint, value: bigint): Buffer {
  const code = Buffer.from(instructions);
  let found = 0;
  for (let at = 0; at + instructionSize <= code.length; at += instructionSize) {
    if (code[at] !== loadImmediate64) continue;
    if (at + 2 * instructionSize > code.length)
      throw new MillraceError('BPF_LOAD', `Cannot patch a program because its last instruction is cut off at byte ${at}`);
    const sourceRegister = code.readUInt8(at + 1) >> 4;
    const constant = (BigInt(code.readUInt32LE(at + instructionSize + 4)) << 32n) | BigInt(code.readUInt32LE(at + 4));
    if (sourceRegister === 0 && constant === BigInt.asUintN(64, magic)) {
      code.writeUInt32LE(Number(BigInt.asUintN(32, value)), at + 4);
      code.writeUInt32LE(Number(BigInt.asUintN(32, value >> 32n)), at + instructionSize + 4);
      found += 1;
    }
    at += instructionSize;
  }
  if (found === 0) {
    throw new MillraceError('BPF_LOAD', `Cannot patch a program because the constant 0x${magic.toString(16)} does not occur in it`, {
      data: { magic: magic.toString(16), instructions: code.length / instructionSize },
    });
  }
  return code;
}
