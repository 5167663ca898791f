import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Httpbin } from './server.ts';
import { startHttpbin } from './server.ts';
import { statusReply } from './status.ts';

let httpbin: Httpbin;
let base = '';
beforeAll(async () => {
  httpbin = await startHttpbin({ host: '127.0.0.1', port: 0, maxBodyBytes: 100_000 });
  base = `http://127.0.0.1:${httpbin.port}`;
});
afterAll(() => httpbin.close(1000));

const getJson = async (path: string, init?: RequestInit): Promise<unknown> => (await fetch(`${base}${path}`, init)).json();
const status = async (path: string, init?: RequestInit) => (await fetch(`${base}${path}`, { redirect: 'manual', ...init })).status;

/** Sends bytes on a connection of its own and gives back all that comes until the server closes. */
async function raw(text: string, port = httpbin.port): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    answer += String(chunk);
  });
  await once(socket, 'close');
  return answer;
}

describe('answers that show the request', () => {
  it('/ip gives the peer, or what X-Forwarded-For says', async () => {
    expect(await getJson('/ip')).toEqual({ origin: '127.0.0.1' });
    expect(await getJson('/ip', { headers: { 'X-Forwarded-For': '10.1.2.3, 10.4.5.6' } })).toEqual({ origin: '10.1.2.3, 10.4.5.6' });
    expect(await (await fetch(`${base}/ip`)).text()).toBe('{\n  "origin": "127.0.0.1"\n}\n');
  });

  it('/headers joins repeated ones and hides those of the platform unless asked', async () => {
    const text = await raw(
      `GET /headers HTTP/1.1\r\nHost: h\r\nx-b3-traceid: 1\r\nX-A: 1\r\nx-a: 2\r\nX-Request-Id: r\r\nX-Forwarded-Client-Cert: c\r\nConnection: close\r\n\r\n`,
    );
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toEqual({
      headers: { Connection: 'close', Host: 'h', 'X-A': '1,2', 'X-B3-Traceid': '1', 'X-Forwarded-Client-Cert': 'c' },
    });
    expect(await getJson('/headers?show_env=1', { headers: { 'X-Request-Id': 'r' } })).toMatchObject({ headers: { 'X-Request-Id': 'r' } });
  });

  it('/get shows arguments, a repeated one as a list, and the URL', async () => {
    expect(await getJson('/get?b=2&a=x%20y&b=3&__proto__=p')).toMatchObject({
      args: { a: 'x y', b: ['2', '3'] },
      origin: '127.0.0.1',
      url: `${base}/get?b=2&a=x%20y&b=3&__proto__=p`,
    });
    expect(await getJson('/get', { headers: { 'X-Forwarded-Proto': 'https' } })).toMatchObject({
      url: `https://127.0.0.1:${httpbin.port}/get`,
    });
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('/%s shows JSON, forms, files and bytes', async (method) => {
    const path = `/${method.toLowerCase()}`;
    expect(await getJson(path, { method, body: '{"a":[1]}' })).toMatchObject({
      data: '{"a":[1]}',
      json: { a: [1] },
      form: {},
      files: {},
      args: {},
    });
    expect(await getJson(path, { method, body: new URLSearchParams('a=1&a=2&b=ü') })).toMatchObject({
      data: '',
      json: null,
      form: { a: ['1', '2'], b: 'ü' },
    });
    const form = new FormData();
    form.set('field', 'v');
    form.set('file', new Blob(['text']), 'f.txt');
    form.set('binary', new Blob([Uint8Array.of(255, 0)]), 'b');
    expect(await getJson(path, { method, body: form })).toMatchObject({
      form: { field: 'v' },
      files: { file: 'text', binary: 'data:application/octet-stream;base64,/wA=' },
      json: null,
    });
    expect(await getJson(path, { method, body: Uint8Array.of(255, 0) })).toMatchObject({
      data: 'data:application/octet-stream;base64,/wA=',
      json: null,
    });
    expect(await getJson(path, { method })).toMatchObject({ data: '', json: null });
  });

  it('/post answers when a multipart body is broken', async () => {
    expect(
      await getJson('/post', { method: 'POST', headers: { 'Content-Type': 'multipart/form-data; boundary=x' }, body: 'nonsense' }),
    ).toMatchObject({ form: {}, files: {} });
  });

  it('/anything takes every method and any path', async () => {
    expect(await getJson('/anything/a/b?c=d', { method: 'PATCH', body: 'x' })).toMatchObject({
      method: 'PATCH',
      data: 'x',
      args: { c: 'd' },
      url: `${base}/anything/a/b?c=d`,
    });
    expect(await getJson('/anything')).toMatchObject({ method: 'GET' });
    expect(await status('/anythingelse')).toBe(404);
  });

  it('/user-agent, /uuid and /cookies give one value', async () => {
    expect(await getJson('/user-agent', { headers: { 'User-Agent': 'curl/8' } })).toEqual({ 'user-agent': 'curl/8' });
    expect(await getJson('/uuid')).toEqual({ uuid: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(await getJson('/cookies', { headers: { Cookie: 'b=2; a=1=1; bad' } })).toEqual({ cookies: { a: '1=1', b: '2' } });
  });
});

describe('statuses', () => {
  it.each([
    ['/status/200', 200],
    ['/status/204', 204],
    ['/status/304', 304],
    ['/status/418', 418],
    ['/status/503', 503],
    ['/status/599', 599],
    ['/status/500:1,200:0', 500],
    ['/status/100', 400],
    ['/status/600', 400],
    ['/status/abc', 400],
    ['/status/200,', 400],
    ['/status/200:0', 400],
    ['/nowhere', 404],
    ['/ip/', 404],
    ['/status', 404],
    ['/bytes/x', 400],
    ['/delay/x', 400],
    ['/redirect-to', 400],
    ['/redirect-to?url=a%0d%0ab', 400],
    ['/response-headers?a=%0d%0ab', 400],
    ['/response-headers?a%20b=c', 400],
    ['/%ff', 400],
  ])('GET %s is %i', async (path, expected) => {
    expect(await status(path)).toBe(expected);
  });

  it('statusReply() chooses by weight', () => {
    expect([0, 0.2, 0.3, 0.99].map((chance) => statusReply('200:1,500:3', chance).status)).toEqual([200, 200, 500, 500]);
    expect([0, 0.5].map((chance) => statusReply('200,404', chance).status)).toEqual([200, 404]);
  });

  it('a method that a path does not have is 405 and says which it has', async () => {
    const response = await fetch(`${base}/ip`, { method: 'POST', body: 'x' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect((await fetch(`${base}/post`)).headers.get('allow')).toBe('POST, OPTIONS');
    expect(await status('/', { method: 'DELETE' })).toBe(405);
  });

  it('HEAD has the headers of GET and no body; OPTIONS says what is allowed', async () => {
    const head = await fetch(`${base}/ip`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '28', '']);
    const options = await fetch(`${base}/anything`, { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([200, 'GET, POST, PUT, DELETE, PATCH, TRACE, HEAD, OPTIONS']);
  });

  it('/ lists the endpoints as HTML', async () => {
    const response = await fetch(`${base}/`);
    expect(response.headers.get('content-type')).toContain('text/html');
    expect(await response.text()).toContain('/status/{codes}');
  });

  it('redirections lead on', async () => {
    const to = await fetch(`${base}/redirect-to?url=/get&status_code=307`, { redirect: 'manual' });
    expect([to.status, to.headers.get('location')]).toEqual([307, '/get']);
    expect((await fetch(`${base}/redirect/3`)).url).toBe(`${base}/get`);
    expect((await fetch(`${base}/status/302`)).url).toBe(`${base}/get`);
    expect((await fetch(`${base}/cookies/set?a=1`, { redirect: 'manual' })).headers.getSetCookie()).toEqual(['a=1; Path=/']);
  });

  it('/response-headers sends what is asked and a body that knows its length', async () => {
    const response = await fetch(`${base}/response-headers?X-A=1&X-A=2&Content-Length=5`);
    const text = await response.text();
    expect(response.headers.get('x-a')).toBe('1, 2');
    expect(JSON.parse(text)).toEqual({ 'Content-Length': String(text.length), 'Content-Type': 'application/json', 'X-A': ['1', '2'] });
  });
});

describe('bytes, streams and time', () => {
  it('/bytes gives as many as asked, at most 100 KiB, and the same for a seed', async () => {
    const read = async (path: string) => Buffer.from(await (await fetch(`${base}${path}`)).arrayBuffer());
    expect(await read('/bytes/0')).toHaveLength(0);
    expect(await read('/bytes/999999')).toHaveLength(102_400);
    expect(await read('/bytes/1000?seed=7')).toEqual(await read('/bytes/1000?seed=7'));
    expect(await read('/bytes/1000?seed=7')).not.toEqual(await read('/bytes/1000?seed=8'));
    expect(await read('/bytes/1000')).not.toEqual(await read('/bytes/1000'));
    expect(await read('/stream-bytes/1000?seed=7&chunk_size=3')).toEqual(await read('/bytes/1000?seed=7'));
  });

  it('/stream gives lines of JSON in chunks, at most 100', async () => {
    const response = await fetch(`${base}/stream/3?a=b`);
    expect(response.headers.get('content-length')).toBeNull();
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(lines).toMatchObject([0, 1, 2].map((id) => ({ id, args: { a: 'b' }, url: `${base}/stream/3?a=b` })));
    expect((await (await fetch(`${base}/stream/5000`)).text()).trim().split('\n')).toHaveLength(100);
  });

  it('/delay waits', async () => {
    const started = performance.now();
    expect(await getJson('/delay/0.2')).toMatchObject({ url: `${base}/delay/0.2` });
    expect(performance.now() - started).toBeGreaterThan(190);
  });
});

describe('connections', () => {
  it('several requests go over one connection, also pipelined', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    for (let round = 0; round < 5; round++) {
      const request = httpRequest(`${base}/ip`, { agent }).end();
      const [response] = await once(request, 'response');
      ports.add(response.socket.localPort);
      response.resume();
      await once(response, 'end');
    }
    agent.destroy();
    expect(ports.size).toBe(1);
    const answer = await raw('GET /status/201 HTTP/1.1\r\nHost: h\r\n\r\nGET /status/202 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(answer.match(/HTTP\/1\.1 20[12]/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 202']);
  });

  it('a body over the limit is 413, declared, chunked or after Expect, and the connection ends', async () => {
    const declared = await raw(`POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n${'x'.repeat(100_001)}`);
    expect(declared).toMatch(/^HTTP\/1\.1 413 [\s\S]*Connection: close/);
    const chunk = `${(60_000).toString(16)}\r\n${'x'.repeat(60_000)}\r\n`;
    expect(await raw(`POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 413 /,
    );
    expect(await raw('POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 413 /,
    );
    expect(await raw('POST /post HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx')).toMatch(
      /^HTTP\/1\.1 100 [\s\S]*HTTP\/1\.1 200 /,
    );
    expect(await status('/post', { method: 'POST', body: 'x'.repeat(100_000) })).toBe(200);
  });

  it('nonsense is 400, and a client that goes away in the middle harms nobody', async () => {
    expect(await raw('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    for (const text of [
      'POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nx',
      'GET /delay/10 HTTP/1.1\r\nHost: h\r\n\r\n',
      'GET /stream/100 HTTP/1.1\r\nHost: h\r\n\r\n',
    ]) {
      const socket = connect(httpbin.port, '127.0.0.1');
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(text);
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.resetAndDestroy();
    }
    expect(await getJson('/ip')).toEqual({ origin: '127.0.0.1' });
  });

  it('startHttpbin() serves both families when no host is given, and shows IPv4 peers as such', async () => {
    const dual = await startHttpbin({ host: null, port: 0 });
    try {
      expect(await (await fetch(`http://127.0.0.1:${dual.port}/ip`)).json()).toEqual({ origin: '127.0.0.1' });
      if (dual.address === '::') expect(await (await fetch(`http://[::1]:${dual.port}/ip`)).json()).toEqual({ origin: '::1' });
      else expect(dual.address).toBe('0.0.0.0');
      await expect(startHttpbin({ host: null, port: dual.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    } finally {
      await dual.close();
    }
  });

  it('close() finishes what is under way and takes nothing new', async () => {
    const own = await startHttpbin({ host: '127.0.0.1', port: 0 });
    const idle = connect(own.port, '127.0.0.1');
    idle.resume();
    await once(idle, 'connect');
    const slow = raw('GET /delay/0.3 HTTP/1.1\r\nHost: h\r\n\r\n', own.port);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const closed = own.close(5000);
    expect(await slow).toMatch(/^HTTP\/1\.1 200 [\s\S]*Connection: close/);
    await closed;
    await expect(fetch(`http://127.0.0.1:${own.port}/ip`)).rejects.toThrow();
    if (!idle.closed) await once(idle, 'close');
  });

  it('close() ends what outlasts its grace', async () => {
    const own = await startHttpbin({ host: '127.0.0.1', port: 0 });
    const slow = raw('GET /delay/10 HTTP/1.1\r\nHost: h\r\n\r\n', own.port);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const started = performance.now();
    await own.close(100);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(await slow).toBe('');
  });
});

describe('the program', () => {
  const bundle = join(tmpdir(), `millrace-httpbin-${process.pid}.mjs`);
  beforeAll(() =>
    build({ entryPoints: [new URL('main.ts', import.meta.url).pathname], bundle: true, platform: 'node', format: 'esm', outfile: bundle }),
  );

  afterAll(() => rm(bundle, { force: true }));

  async function run(...args: string[]) {
    const child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [chunk] = await once(args.includes('--port') && args.includes('0') ? child.stdout : child.stderr, 'data');
    return { child, line: String(chunk) };
  }

  it('says where it listens and ends with 0 on SIGTERM', async () => {
    const { child, line } = await run('--host', '127.0.0.1', '--port', '0');
    const port = /^httpbin listens on 127\.0\.0\.1:([0-9]+)\n$/.exec(line)?.[1];
    expect(await (await fetch(`http://127.0.0.1:${port}/ip`)).json()).toEqual({ origin: '127.0.0.1' });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.each([
    [['--port', '65536'], 2, '--port must be a number'],
    [['--prot', '80'], 2, 'usage: httpbin'],
    [['--host', '192.0.2.1', '--port', '8081'], 1, 'Cannot listen on port 8081'],
  ])('ends with a message when its arguments are %j', async (args, code, message) => {
    const { child, line } = await run(...args);
    expect(line).toContain(message);
    const exit = child.exitCode === null ? await once(child, 'exit') : [child.exitCode, null];
    expect(exit).toEqual([code, null]);
  });
});
