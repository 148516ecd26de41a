// Bundles the page into the Python package: viewer.js (ES module), viewer.css, and noVNC as a chunk that is loaded
// only when it is needed. `--watch` rebuilds at each change.
import { copyFile, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const outdir = fileURLToPath(new URL('../streamspace_proxy/static/', import.meta.url));
const watching = process.argv.includes('--watch');

const options = {
  absWorkingDir: here,
  entryPoints: [
    { in: 'src/main.ts', out: 'viewer' },
    { in: 'src/style.css', out: 'viewer' },
  ],
  outdir,
  bundle: true,
  format: 'esm',
  splitting: true,
  minify: !watching,
  sourcemap: watching && 'linked',
  target: ['es2022', 'chrome108', 'firefox115', 'safari16.4'],
  chunkNames: '[name]-[hash]',
  metafile: true,
  logLevel: 'info',
};

/** Remove what earlier builds left; after the build, so that a running server always finds a page. */
async function clean(result) {
  const fresh = new Set(Object.keys(result.metafile.outputs).map(path => basename(path)));
  const stale = (await readdir(outdir)).filter(name => !fresh.has(name));
  await Promise.all(stale.map(name => rm(join(outdir, name), { recursive: true })));
}

/** noVNC is MPL-2.0: whoever gets its code gets to know that, and where its source is. */
async function addNotices() {
  const licence = new URL('LICENSE.txt', import.meta.resolve('@novnc/novnc').replace(/core\/rfb\.js$/, ''));
  await copyFile(fileURLToPath(licence), join(outdir, 'LICENSE.novnc.txt'));
}

if (watching) {
  await (await esbuild.context(options)).watch();
} else {
  await clean(await esbuild.build(options));
  await addNotices();
}
