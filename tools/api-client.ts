/** Writes the types of the HTTP API's clients from its OpenAPI document. What it writes is committed; a test tells when it is old. */
import { writeFileSync } from 'node:fs';
import { clientTypes, CLIENT_TYPES_FILE } from './client-types.ts';

writeFileSync(CLIENT_TYPES_FILE, await clientTypes());
