import { UserError } from '../../base/errors.ts';
import type { Container, Manifest } from '../../manifests/types.ts';
import { curlImage } from './curl.ts';
import { fortioImage } from './fortio.ts';
import { hostImage } from './host.ts';
import { httpbinImage } from './httpbin.ts';
import type { ImageRecipe } from './image.ts';
import { postgresImage } from './postgres.ts';
import { shellImage } from './shell.ts';

/** Every image that the lab knows; docs/lab-images.md shows the same rows, which a test checks. */
export const imageRecipes: readonly ImageRecipe[] = [curlImage, httpbinImage, postgresImage, fortioImage, shellImage, hostImage];

/** The repository of an image reference, without Docker Hub's registry and `library/`, tag and digest: `docker.io/library/postgres:14@sha256:…` → `postgres`. */
export function imageRepository(image: string): string {
  const bare = image.replace(/@[^@]*$/, '').replace(/:[^:/]*$/, '');
  return bare.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
}

/** The table as aligned text, one line per row, for error messages. */
export function imageTable(): string {
  const rows = imageRecipes.map((recipe) => [recipe.repositories.join(', '), recipe.summary] as const);
  const width = Math.max(...rows.map(([names]) => names.length));
  return rows.map(([names, summary]) => `  ${names.padEnd(width)}  ${summary}`).join('\n');
}

/**
 * The recipe for a container's image.
 * @throws UserError IMAGE_UNKNOWN with the table of what is known
 */
export function findImage(container: Pick<Container, 'name' | 'image' | 'command' | 'position'>): {
  readonly recipe: ImageRecipe;
  readonly repository: string;
} {
  const repository = imageRepository(container.image);
  const recipe = imageRecipes.find((candidate) => candidate.repositories.includes(repository));
  if (recipe === undefined) {
    throw new UserError(
      'IMAGE_UNKNOWN',
      `Cannot run container ${container.name} because the lab has no program for its image: ${container.image}`,
      {
        cure: `The lab starts programs of this machine, not images. Use one of these (tags are ignored):\n${imageTable()}`,
        where: container.position,
      },
    );
  }
  if (recipe.needsCommand && (container.command === null || container.command.length === 0)) {
    throw new UserError(
      'IMAGE_UNKNOWN',
      `Cannot run container ${container.name} because the image ${repository} needs a command: none given`,
      {
        cure: 'Add `command: ["/path/of/a/program"]` to the container.',
        where: container.position,
      },
    );
  }
  return { recipe, repository };
}

/** Refuses manifests whose containers the lab has no program for. @throws UserError IMAGE_UNKNOWN with the container's place */
export function checkImages(manifests: readonly Manifest[]): void {
  for (const manifest of manifests) {
    if (manifest.kind === 'Pod') for (const container of manifest.spec.containers) findImage(container);
    if (manifest.kind === 'Deployment') for (const container of manifest.template.spec.containers) findImage(container);
  }
}
