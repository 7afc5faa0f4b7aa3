// Runs one of the TypeScript programs beside this, through the bundler that is here anyway: `node tools/run.js measure`.
import { runnerImport } from 'vite';

const { module } = await runnerImport(`./tools/${process.argv[2]}.ts`);
await module.default(process.argv.slice(3));
