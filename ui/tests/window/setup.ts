import type { TestProject } from 'vitest/node';
import { serve } from '../../tools/serve';

declare module 'vitest' {
  interface ProvidedContext {
    address: string;
  }
}

export default async function setup(project: TestProject) {
  const { address, close } = await serve(project.config.root);
  project.provide('address', address);
  return close;
}
