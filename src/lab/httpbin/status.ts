import type { Reply } from './replies.ts';
import { json, page } from './replies.ts';

/**
 * The answer of /status/{codes}: one code, or several with commas between them, each with a weight after a colon where it should not be 1.
 * `chance` in 0–1 chooses among several. Codes outside 200–599 are refused: those below are not final answers.
 */
export function statusReply(codes: string, chance: number): Reply {
  const choices = codes.split(',').map(parseChoice);
  const valid = choices.filter((choice) => choice !== null);
  const total = valid.reduce((sum, { weight }) => sum + weight, 0);
  if (valid.length !== choices.length || !(total > 0)) return page(400, 'Invalid status code');
  let left = chance * total;
  let chosen = valid[0];
  for (const choice of valid) {
    chosen = choice;
    left -= choice.weight;
    if (left < 0) break;
  }
  return replyOf(chosen?.code ?? 400);
}

function parseChoice(text: string): { code: number; weight: number } | null {
  const match = /^([2-5][0-9]{2})(?::([0-9]+(?:\.[0-9]+)?))?$/.exec(text.trim());
  return match === null ? null : { code: Number(match[1]), weight: match[2] === undefined ? 1 : Number(match[2]) };
}

function replyOf(status: number): Reply {
  switch (status) {
    case 301:
    case 302:
    case 303:
    case 305:
    case 307:
      return { status, headers: [['Location', '/redirect/1']], body: '' };
    case 401:
      return { status, headers: [['WWW-Authenticate', 'Basic realm="Fake Realm"']], body: '' };
    case 407:
      return { status, headers: [['Proxy-Authenticate', 'Basic realm="Fake Realm"']], body: '' };
    case 406:
      return json({ message: 'Client did not request a supported media type.', accept: ['application/json'] }, status);
    case 418:
      return { status, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: 'short and stout\n' };
    default:
      return { status, headers: [['Content-Type', 'text/html; charset=utf-8']], body: '' };
  }
}
