import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** Files of a certificate for `localhost`, valid for two days and signed by itself, and of its key; PEM. Needs openssl. */
export function makeCertificate(directory: string, name = ''): { readonly cert: string; readonly key: string } {
  const [key, cert] = [join(directory, `${name}key.pem`), join(directory, `${name}cert.pem`)];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  execFileSync('openssl', [...request, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], {
    stdio: 'pipe',
  });
  return { cert, key };
}
