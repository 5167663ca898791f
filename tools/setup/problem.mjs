// @ts-check

/** What keeps this machine from running the project: what, why, how to solve it, the command. The set-up ends with exit code 3. */
export class MachineProblem extends Error {
  /**
   * @param {import('../../src/base/codes.ts').ErrorCode} code as in docs/errors.md
   * @param {string} message "Cannot X because Y: current value Z"
   * @param {{ cure: string, command?: string }} options
   */
  constructor(code, message, { cure, command }) {
    super(message);
    this.code = code;
    this.cure = cure;
    this.command = command ?? null;
  }

  /** The same shape as the command line's printer gives it. */
  toText() {
    const lines = [`error: ${this.message}`, `  solve    ${this.cure}`];
    if (this.command !== null) lines.push(`  run      ${this.command}`);
    lines.push(`  code     ${this.code} (docs/errors.md)`);
    return lines.join('\n');
  }
}

/** A step that failed for another reason than the machine; `output` is what the program behind it said last. */
export class StepFailure extends Error {
  /**
   * @param {string} message
   * @param {string} output
   */
  constructor(message, output) {
    super(message);
    this.output = output;
  }
}
