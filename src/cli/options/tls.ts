import fs from 'node:fs';
import { GhostkeepError, reasonOf } from '../../base/errors.js';

/** CRIU's names of these options. Source: criu(8), --tls */
export const tlsOptions = {
  tls: { type: 'boolean' },
  'tls-cacert': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
} as const;

export type TlsValues = { [Name in keyof typeof tlsOptions]?: string | boolean | undefined };

/** CRIU's default files. */
const defaults = {
  'tls-cacert': '/etc/pki/CA/cacert.pem',
  'tls-cert': '/etc/pki/criu/cert.pem',
  'tls-key': '/etc/pki/criu/private/key.pem',
} as const;

export interface Certificates {
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

/** The files that the options name. @throws IO */
export function readCertificates(values: TlsValues): Certificates {
  const read = (name: keyof typeof defaults) => {
    const given = values[name];
    const file = typeof given === 'string' ? given : defaults[name];
    try {
      return fs.readFileSync(file);
    } catch (cause) {
      throw new GhostkeepError('IO', file, `cannot read ${file}, which --${name} names: ${reasonOf(cause)}`, {
        cause,
      });
    }
  };
  return { ca: read('tls-cacert'), cert: read('tls-cert'), key: read('tls-key') };
}
