import { fleetConfigSchema } from '@perfleet/fleet-config';
import { z } from 'zod';
import type { Schema } from './schema.ts';

const { $schema: _, ...schema } = z.toJSONSchema(fleetConfigSchema, { io: 'input' });

/** Of the one place that says what a document may hold; what it cannot say (patterns, sizes) is told by errors. */
export const FLEET_CONFIG_SCHEMA: Schema = { ...schema, description: 'docs/configuration.md; errors name the field' };
