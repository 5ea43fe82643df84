#!/usr/bin/env node
// Launcher of the command line: the program itself is compiled to dist/.
import { existsSync } from 'node:fs';
import { URL } from 'node:url';

const compiled = new URL('../dist/src/cli/main.js', import.meta.url);
if (!existsSync(compiled)) {
  process.stderr.write("romulus: not built yet; run 'npm run build' first\n");
  process.exit(1);
}
const { main } = await import(compiled.href);
const status = await main(process.argv.slice(2));
// What has been printed may have failed by now.
process.exitCode ||= status;
