import { join } from 'node:path';
import { openApiDocument } from '@perfleet/api-contract/openapi';
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript';
import ts from 'typescript';

export const CLIENT_TYPES_FILE = join(import.meta.dirname, '../libs/api-contract/src/gen/api.ts');

const HEADER = `// Written by \`npm run api-client\` from the OpenAPI document of the API: not to be edited.
import type { FleetConfig as FleetDocument } from '@perfleet/fleet-config';
import type { Immutable } from '../immutable.ts';

`;
/** Types that are there already, and say more than their schemas. */
const OWN: Readonly<Record<string, string>> = { FleetConfig: 'FleetDocument', NodeSettings: 'object' };

/**
 * TypeScript of the document: `paths` for a client, and every schema by its name. What a client takes and gives is not readonly,
 * because openapi-fetch does not know arrays that are; what has a name is, so that whatever is readonly can be given as an answer.
 */
export async function clientTypes(): Promise<string> {
  const nodes = await openapiTS(structuredClone(openApiDocument) as unknown as OpenAPI3, {
    transform: (_, { path }) => {
      const own = OWN[/^#\/components\/schemas\/(\w+)$/.exec(path ?? '')?.[1] ?? ''];
      return own === undefined ? undefined : ts.factory.createTypeReferenceNode(own);
    },
  });
  const named = Object.keys(openApiDocument.components.schemas)
    .filter((name) => !(name in OWN))
    .map((name) => `export type ${name} = Immutable<components['schemas']['${name}']>;\n`);
  return HEADER + astToString(nodes) + named.join('');
}
