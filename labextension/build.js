/**
 * Bundles `lib/` into the prebuilt extension that JupyterLab loads.
 *
 * JupyterLab provides every package in our `dependencies`, so nothing of them is bundled. The builder takes the
 * names and versions of what is provided from a "core package": here a made-up one with our own ranges, so that
 * the extension asks for what it needs (JupyterLab 4.2) and not for the version it was built beside.
 */
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { dependencies } = require('./package.json');
const core = fs.mkdtempSync(path.join(os.tmpdir(), 'streamspace-core-'));
fs.writeFileSync(
  path.join(core, 'package.json'),
  JSON.stringify({ dependencies, jupyterlab: { singletonPackages: Object.keys(dependencies) } }),
);
const builder = require.resolve('@jupyterlab/builder/lib/build-labextension.js');
const { status } = spawnSync(process.execPath, [builder, '--core-path', core, __dirname], {
  stdio: 'inherit',
});
fs.rmSync(core, { recursive: true });
process.exit(status ?? 1);
