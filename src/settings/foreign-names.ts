const SERVER_SETTINGS =
  'settings of a session are not passed on; SearchPath, StatementTimeout, TimeZone, Readonly and ApplicationName are properties';
const FILES = 'no files of libpq are read; set the properties themselves';
const KERBEROS = 'Kerberos is not supported';
const REVOCATION = 'revocation lists are not read';
const TLS_VERSION = 'TLS 1.2 or newer is always used';
const KEEPALIVE = 'the connector keeps its connections alive by itself';
const OWN_LIMITS = 'Timeout limits each wait, and an operation has a timeout of its own';

/**
 * Parameters of libpq, node-postgres, pgjdbc and hosting services that stand for nothing in the
 * table, with the reason why they are not taken; in small letters without `_`.
 */
export const FOREIGN_NAMES: Readonly<Record<string, string>> = {
  options: SERVER_SETTINGS,
  replication: 'replication sessions are not opened',
  clientencoding: 'text is always UTF-8',
  fallbackapplicationname: 'use ApplicationName',
  service: FILES,
  servicefile: FILES,
  passfile: FILES,
  loadbalancehosts: 'the hosts of Server are tried in their order',
  hostrecheckseconds: 'what is known of a server is forgotten by itself',
  channelbinding: 'the connector uses it wherever the server offers it',
  gssencmode: KERBEROS,
  gsslib: KERBEROS,
  gssdelegation: KERBEROS,
  krbsrvname: KERBEROS,
  sslcompression: 'TLS never compresses',
  sslcrl: REVOCATION,
  sslcrldir: REVOCATION,
  sslkey: 'put the private key and its certificate into one PEM file and name it in SSLClientCert',
  sslcertmode: 'a certificate is presented where SSLClientCert is set',
  sslsni: 'the name of the server is always told',
  sslminprotocolversion: TLS_VERSION,
  sslmaxprotocolversion: TLS_VERSION,
  sslfactory: 'set SSLCA instead',
  uselibpqcompat: 'SSLMode means what it means to libpq in any case; remove it',
  keepalives: KEEPALIVE,
  keepalivesidle: KEEPALIVE,
  keepalivesinterval: KEEPALIVE,
  keepalivescount: KEEPALIVE,
  tcpkeepalive: KEEPALIVE,
  tcpusertimeout: OWN_LIMITS,
  querytimeout: OWN_LIMITS,
  commandtimeout: OWN_LIMITS,
  sockettimeout: OWN_LIMITS,
  locktimeout: OWN_LIMITS,
  idleintransactionsessiontimeout: OWN_LIMITS,
  pgbouncer: 'set PoolerMode=TRANSACTION where PgBouncer pools transactions; remove it otherwise',
  preparethreshold: 'values always travel apart from the statement; remove it',
  binarytransfer: 'the connector chooses the form of values; remove it',
};
