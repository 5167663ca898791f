import { UserError } from '../../src/base/errors.ts';
import { parseManifests } from '../../src/manifests/parse.ts';

/** The error that reading `text` as the file a.yaml ends in; throws where it is accepted, and passes on what is not a UserError. */
export function manifestFailure(text: string): UserError {
  try {
    parseManifests(text, 'a.yaml');
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('parseManifests() accepted it');
}

/** A Pod whose spec, in flow style, stands on line 4 from column 7 on; so do those below. */
export const podText = (spec: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: ${spec}\n`;

/** A Pod of one container that has `rest` beside its name and image. */
export const containerText = (rest: string) => podText(`{containers: [{name: c, image: i, ${rest}}]}`);

export const serviceText = (spec: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: ${spec}\n`;

export const deploymentText = (spec: string) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: ${spec}\n`;
