// Bundles the page into the Python package: viewer.js (ES module), viewer.css, noVNC as a chunk that is loaded only
// when it is needed, and what runs beside the page (decoding worker, microphone's worklet), each a file of its own.
// `--watch` rebuilds at each change.
import { createHash } from 'node:crypto';
import { copyFile, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const outdir = fileURLToPath(new URL('../streamspace_proxy/static/', import.meta.url));
const watching = process.argv.includes('--watch');

const common = {
  absWorkingDir: here,
  outdir,
  bundle: true,
  minify: !watching,
  sourcemap: watching && 'linked',
  target: ['es2022', 'chrome108', 'firefox115', 'safari16.4'],
  metafile: true,
  logLevel: 'info',
};

const beside = {
  ...common,
  entryPoints: [
    { in: 'src/decode_worker.ts', out: 'decode_worker' },
    { in: 'src/microphone_worklet.ts', out: 'microphone_worklet' },
  ],
  format: 'iife',
};

const page = {
  ...common,
  entryPoints: [
    { in: 'src/main.ts', out: 'viewer' },
    { in: 'src/style.css', out: 'viewer' },
  ],
  format: 'esm',
  splitting: true,
  chunkNames: '[name]-[hash]',
};

/** Where the page finds what runs beside it, as the server names it: caches may keep what carries its hash. */
function named({ outputFiles }) {
  const names = outputFiles
    .filter(({ path }) => path.endsWith('.js'))
    .map(({ path, contents }) => {
      const name = basename(path);
      const hash = createHash('sha256').update(contents).digest('hex').slice(0, 16);
      return [name.replace('.js', '').toUpperCase(), JSON.stringify(`${name}?v=${hash}`)];
    });
  return Object.fromEntries(names);
}

/** Remove what earlier builds left; after the build, so that a running server always finds a page. */
async function clean(...results) {
  const fresh = new Set(
    results.flatMap(({ metafile }) => Object.keys(metafile.outputs).map(path => basename(path))),
  );
  const stale = (await readdir(outdir)).filter(name => !fresh.has(name));
  await Promise.all(stale.map(name => rm(join(outdir, name), { recursive: true })));
}

/** noVNC is MPL-2.0: whoever gets its code gets to know that, and where its source is. */
async function addNotices() {
  const licence = new URL('LICENSE.txt', import.meta.resolve('@novnc/novnc').replace(/core\/rfb\.js$/, ''));
  await copyFile(fileURLToPath(licence), join(outdir, 'LICENSE.novnc.txt'));
}

const define = named(await esbuild.build({ ...beside, write: false, logLevel: 'error' }));
if (watching) {
  await (await esbuild.context(beside)).watch();
  await (await esbuild.context({ ...page, define })).watch();
} else {
  await clean(await esbuild.build(beside), await esbuild.build({ ...page, define }));
  await addNotices();
}
