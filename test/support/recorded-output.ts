import type { Output } from '../../src/cli/command.ts';

/** An output that keeps what is written, for tests of commands. */
export class RecordedOutput implements Output {
  text = '';

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}
