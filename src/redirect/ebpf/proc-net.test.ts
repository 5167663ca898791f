import { describe, expect, it } from 'vitest';
import { formatIp } from '../../pods/address.ts';
import { parseListeners } from './proc-net.ts';

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const rest = '00000000:00000000 00:00000000 00000000';

const tcp4 = `${header}   0: 0100007F:3A99 00000000:0000 0A ${rest}  1337        0 4711 1 ffff 100 0 0 10 0
   1: 00000000:3A9E 00000000:0000 0A ${rest}  1337        0 4712 1 ffff 100 0 0 10 0
   2: 0200090A:0050 0100090A:C350 01 ${rest}  1000        0 4713 1 ffff 20 4 30 10 -1
`;

const tcp6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:3A99 00000000000000000000000000000000:0000 0A ${rest}  1337        0 4721 1 ffff 100 0 0 10 0
   1: 000000FD000000000000000002000000:1F90 00000000000000000000000000000000:0000 0A ${rest}  1000        0 4722 1 ffff 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:3A9E 00000000000000000000000000000000:0000 0A ${rest}  1337        0 4723 1 ffff 100 0 0 10 0
   3: 00000000000000000000000001000000:3AA0 00000000000000000000000000000000:0000 0A ${rest}  1337        0 4724 1 ffff 100 0 0 10 0
`;

const shown = (text: string, family: 4 | 6) =>
  parseListeners(text, family).map((socket) => [
    socket.family,
    formatIp({ family: 6, bytes: socket.address }),
    socket.wildcard,
    socket.port,
    socket.inode,
  ]);

describe('parseListeners()', () => {
  it('returns what listens, and nothing that is connected, when it reads IPv4', () => {
    expect(shown(tcp4, 4)).toEqual([
      [4, '::ffff:127.0.0.1', false, 15001, '4711'],
      [4, '::ffff:0.0.0.0', true, 15006, '4712'],
    ]);
  });

  it('returns every listener, those at v4-mapped addresses as IPv4, when it reads IPv6', () => {
    expect(shown(tcp6, 6)).toEqual([
      [6, '::', true, 15001, '4721'],
      [6, 'fd00::2', false, 8080, '4722'],
      [4, '::ffff:127.0.0.1', false, 15006, '4723'],
      [6, '::1', false, 15008, '4724'],
    ]);
  });

  it.each([
    ['the text is empty', ''],
    ['there is only the header', header],
    ['lines are cut off', '   0: 0100007F:3A99 00000000:0000 0A'],
    ['an address has another length', `   0: 0100007F00:3A99 00000000:0000 0A ${rest} 0 0 1`],
    ['it is something else', 'Permission denied\n\u0000\n'],
  ])('returns nothing when %s', (_what, text) => {
    expect(parseListeners(text, 4)).toEqual([]);
  });
});
