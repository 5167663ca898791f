import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Abi } from '../../abi/gen/index.ts';
import { pinnedPodLinks, pinsAt, preparePins, removePins } from './pins.ts';

// Plain files stand for pins here: these functions deal in names. test/kernel has the real ones.
let root: string;

beforeEach(() => {
  root = join(mkdtempSync(join(tmpdir(), 'millrace-pins-')), 'instance');
});

afterEach(() => rmSync(join(root, '..'), { recursive: true }));

function pin(path: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '');
}

describe('pinsAt()', () => {
  it('puts the version of the layout, the kind and the cookie into the path', () => {
    const pins = pinsAt('/sys/fs/bpf/x');
    expect(pins.map('mr_pods')).toBe(`/sys/fs/bpf/x/abi-${Abi.VERSION}/maps/mr_pods`);
    expect(pins.link('mr_connect4')).toBe(`/sys/fs/bpf/x/abi-${Abi.VERSION}/links/mr_connect4`);
    expect(pins.link('mr_sk_lookup', 2n ** 63n)).toBe(`/sys/fs/bpf/x/abi-${Abi.VERSION}/links/mr_sk_lookup-9223372036854775808`);
  });
});

describe('preparePins()', () => {
  it('makes the instance’s directory, and is content when it is there', async () => {
    await preparePins(pinsAt(root));
    await preparePins(pinsAt(root));
    expect(existsSync(root)).toBe(true);
  });

  it('fails with ABI_MISMATCH naming both layouts when another one is pinned', async () => {
    pin(join(root, 'abi-0', 'maps', 'mr_pods'));
    await expect(preparePins(pinsAt(root))).rejects.toMatchObject({
      name: 'UserError',
      code: 'ABI_MISMATCH',
      message: expect.stringMatching(new RegExp(`abi-0, wanted abi-${Abi.VERSION}$`)),
    });
  });
});

describe('pinnedPodLinks()', () => {
  it('reads what pods have of their own and passes over what all share', async () => {
    const pins = pinsAt(root);
    const own = [pins.link('mr_sk_lookup', 7n), pins.link('mr_sk_lookup', 18446744073709551615n), pins.link('mr_forward_in', 7n, 3)];
    for (const path of [...own, pins.link('mr_connect4')]) pin(path);
    const found = await pinnedPodLinks(pins);
    expect(found.map(({ path }) => path).sort()).toEqual([...own].sort());
    expect(found).toContainEqual({ program: 'mr_forward_in', cookie: 7n, interfaceIndex: 3, path: own[2] });
    expect(found).toContainEqual({ program: 'mr_sk_lookup', cookie: 18446744073709551615n, interfaceIndex: undefined, path: own[1] });
  });
});

describe('removePins()', () => {
  it('removes every layout and leaves what is not a pin of ours', async () => {
    const pins = pinsAt(root);
    pin(pins.map('mr_pods'));
    pin(pins.link('mr_connect4'));
    pin(join(root, 'abi-0', 'links', 'mr_connect4'));
    await removePins(pins);
    expect(existsSync(root)).toBe(false);
    pin(pins.map('mr_pods'));
    pin(join(root, 'somebody-else'));
    await removePins(pins);
    expect([existsSync(join(root, 'somebody-else')), existsSync(pins.map('mr_pods'))]).toEqual([true, false]);
  });

  it('is content when there is nothing', async () => {
    await removePins(pinsAt(join(root, 'never')));
  });
});
