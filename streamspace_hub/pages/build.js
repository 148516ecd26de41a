// Bundles the pages into the Python package: pages.js (ES module) and pages.css. `--watch` rebuilds at each change.
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const watching = process.argv.includes('--watch');
const options = {
  absWorkingDir: fileURLToPath(new URL('.', import.meta.url)),
  outdir: fileURLToPath(new URL('../service/static/', import.meta.url)),
  entryPoints: [
    { in: 'src/main.tsx', out: 'pages' },
    { in: 'src/style.css', out: 'pages' },
  ],
  bundle: true,
  minify: !watching,
  sourcemap: watching && 'linked',
  format: 'esm',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': watching ? '"development"' : '"production"' },
  target: ['es2022', 'chrome108', 'firefox115', 'safari16.4'],
  // React is MIT: whoever gets its code gets its notice.
  legalComments: 'eof',
  logLevel: 'info',
};

if (watching) {
  await (await esbuild.context(options)).watch();
} else {
  await esbuild.build(options);
}
