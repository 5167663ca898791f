import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../base/project.ts';
import { findImage, imageRecipes, imageRepository } from './table.ts';

const position = { file: 'f.yaml', line: 3, column: 5 };

test.each([
  ['postgres:14-alpine', 'postgres'],
  ['docker.io/library/postgres', 'postgres'],
  ['docker.io/kong/httpbin:0.1.0', 'kong/httpbin'],
  ['curlimages/curl@sha256:0123', 'curlimages/curl'],
  ['fortio/fortio:1.66.3@sha256:0123', 'fortio/fortio'],
  ['localhost:5000/postgres', 'localhost:5000/postgres'],
  ['localhost:5000/postgres:14', 'localhost:5000/postgres'],
])('imageRepository() of %s is %s', (image, repository) => {
  expect(imageRepository(image)).toBe(repository);
});

test('findImage() throws IMAGE_UNKNOWN with place and table when no program stands for the image', () => {
  const failure = expect.objectContaining({
    code: 'IMAGE_UNKNOWN',
    where: position,
    cure: expect.stringContaining('kennethreitz/httpbin'),
  });
  expect(() => findImage({ name: 'c', image: 'redis:7', command: null, position })).toThrow(failure);
});

test('findImage() throws IMAGE_UNKNOWN when millrace.io/host has no command', () => {
  expect(() => findImage({ name: 'c', image: 'millrace.io/host', command: null, position })).toThrow(/needs a command/);
  expect(findImage({ name: 'c', image: 'millrace.io/host', command: ['/bin/true'], position }).repository).toBe('millrace.io/host');
});

test('docs/lab-images.md has every image of the table', () => {
  const page = readFileSync(join(projectRoot(), 'docs/lab-images.md'), 'utf8');
  const missing = imageRecipes.flatMap((recipe) => recipe.repositories).filter((name) => !page.includes(`\`${name}\``));
  expect(missing).toEqual([]);
});
