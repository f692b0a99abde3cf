import { expect } from 'chai';
import { inspect } from 'node:util';
import { readRoute } from '#src/auth/proxy.js';
import { readException } from '#src/settings/proxy-exceptions.js';
import type { ProxySettings } from '#src/settings/settings.js';
import { failure } from '../support/failure.js';

const AUTHORITY = { host: 'login.example.com', port: 443 };

const fixed = (exceptions: readonly string[]): ProxySettings => ({
  kind: 'fixed',
  protocol: 'http',
  host: 'proxy.example',
  port: 3128,
  user: undefined,
  password: undefined,
  exceptions,
});

describe('route to the authority', () => {
  it('has no proxy where none is wanted, whatever the environment says', () => {
    expect(readRoute({ kind: 'none' }, { HTTPS_PROXY: 'http://p' })(AUTHORITY)).to.equal(undefined);
    expect(readRoute({ kind: 'environment' }, {})(AUTHORITY)).to.equal(undefined);
  });

  it('P-27 takes a fixed proxy, whatever the environment says', () => {
    const route = readRoute(fixed([]), { HTTPS_PROXY: 'http://other', NO_PROXY: '*' });
    expect(route(AUTHORITY)).to.include({ host: 'proxy.example', port: 3128 });
  });

  const ENVIRONMENTS: readonly (readonly [
    environment: Record<string, string>,
    expected: string | undefined,
  ])[] = [
    [{ HTTPS_PROXY: 'http://p.example:3128' }, 'http p.example 3128'],
    [{ HTTPS_PROXY: 'p.example:3128' }, 'http p.example 3128'],
    [{ HTTPS_PROXY: 'http://p.example' }, 'http p.example 80'],
    [{ HTTPS_PROXY: 'https://p.example' }, 'https p.example 443'],
    [{ HTTPS_PROXY: 'HTTPS://p.example:8443/' }, 'https p.example 8443'],
    [{ ALL_PROXY: 'socks5://p.example' }, 'socks5 p.example 1080'],
    [{ all_proxy: 'socks5h://[::1]:9' }, 'socks5 ::1 9'],
    [{ https_proxy: 'http://low', HTTPS_PROXY: 'http://up' }, 'http low 80'],
    [{ HTTPS_PROXY: 'http://s', ALL_PROXY: 'http://a', HTTP_PROXY: 'http://h' }, 'http s 80'],
    [{ HTTPS_PROXY: '', all_proxy: 'http://a', HTTP_PROXY: 'http://h' }, 'http a 80'],
    [{ http_proxy: 'http://h' }, 'http h 80'],
    [{ HTTPS_PROXY: 'http://p', NO_PROXY: 'other.example, login.example.com' }, undefined],
    [{ HTTPS_PROXY: 'http://p', no_proxy: '.example.com' }, undefined],
    [{ HTTPS_PROXY: 'http://p', no_proxy: '', NO_PROXY: '*' }, 'http p 80'],
  ];
  for (const [environment, expected] of ENVIRONMENTS) {
    it(`reads ${JSON.stringify(environment)} as ${expected ?? 'no proxy'}`, () => {
      const proxy = readRoute({ kind: 'environment' }, environment)(AUTHORITY);
      expect(proxy && [proxy.protocol, proxy.host, proxy.port].join(' ')).to.equal(expected);
    });
  }

  it('reads credentials of the environment with their escapes', () => {
    const environment = { HTTPS_PROXY: 'http://us%40er:p%3Ass%@p.example:1' };
    const proxy = readRoute({ kind: 'environment' }, environment)(AUTHORITY);
    expect(proxy?.user).to.equal('us@er');
    expect(proxy?.password?.reveal()).to.equal('p%3Ass%');
    expect(inspect(proxy)).not.to.include('ss%');
  });

  for (const value of [
    'socks4://canary@p',
    'ftp://p:canary@x',
    'http://',
    'canary:canary:canary',
    'http://p:99999',
    'http://canary%3Auser:canary@p',
    'https://canary%07:canary@p',
  ]) {
    it(`P-27 refuses the variable ${value} and does not repeat it`, async () => {
      const environment = { HTTPS_PROXY: value };
      const error = await failure(
        () => readRoute({ kind: 'environment' }, environment),
        'POSTGRESQL:SETTINGS',
        'PROPERTY_INVALID',
      );
      expect(error.message).to.include('HTTPS_PROXY').and.not.to.include('canary');
    });
  }
});

describe('exceptions of a proxy', () => {
  const EXCEPTIONS: readonly (readonly [
    entry: string,
    covered: readonly string[],
    others: readonly string[],
  ])[] = [
    ['*', ['a.example:443', '10.0.0.1:1'], []],
    [
      'example.com',
      ['example.com:443', 'EXAMPLE.com:1', 'a.b.example.com:1', 'example.com.:1'],
      ['badexample.com:1', 'example.com.evil:1'],
    ],
    [' Example.COM ', ['example.com:443'], ['example.org:1']],
    ['.example.com', ['a.example.com:443'], ['example.com:443', 'badexample.com:1']],
    ['*.example.com', ['a.example.com:443', 'a.b.example.com:1'], ['example.com:443']],
    ['example.com:8443', ['example.com:8443', 'a.example.com:8443'], ['example.com:443']],
    ['*:8443', ['a.example:8443'], ['a.example:443']],
    ['10.1.2.3', ['10.1.2.3:443'], ['10.1.2.4:443', 'example.com:443']],
    ['10.1.2.3:444', ['10.1.2.3:444'], ['10.1.2.3:443']],
    ['10.0.0.0/8', ['10.200.1.1:443'], ['11.0.0.1:443', 'ten.example:443']],
    ['::1', ['[::1]:443', '[0:0:0:0:0:0:0:1]:443'], ['[::2]:443']],
    ['[::1]:444', ['[::1]:444'], ['[::1]:443']],
    ['fd00::/8', ['[fd12::1]:443'], ['[fe80::1]:443']],
  ];
  for (const [entry, covered, others] of EXCEPTIONS) {
    it(`${entry} covers ${covered.join(', ')}${others.length > 0 ? ` but not ${others.join(', ')}` : ''}`, () => {
      const covers = readException(entry);
      expect(covered.filter((target) => covers?.(targetOf(target)) !== true)).to.deep.equal([]);
      expect(others.filter((target) => covers?.(targetOf(target)) !== false)).to.deep.equal([]);
    });
  }

  for (const entry of [
    '',
    ' ',
    'a b',
    '10.0.0.0/33',
    'fd00::/129',
    'example.com/8',
    '[10.0.0.1]',
    'a:b:c',
    'a*.example',
    'example.com:',
    'http://a',
  ]) {
    it(`${JSON.stringify(entry)} is none`, () => {
      expect(readException(entry)).to.equal(undefined);
    });
  }
});

function targetOf(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':');
  return { host: text.slice(0, colon).replace(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) };
}
