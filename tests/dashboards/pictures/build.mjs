// usage: node build.mjs NODE_MODULES OUTPUT
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import path from 'node:path';

const [modules, output] = process.argv.slice(2).map((each) => path.resolve(each));
const require = createRequire(pathToFileURL(path.join(modules, 'package.json')));
const esbuild = require('esbuild');
const here = path.dirname(new URL(import.meta.url).pathname);
await esbuild.build({
  entryPoints: [path.join(here, 'page.jsx')],
  outfile: output,
  bundle: true,
  format: 'iife',
  jsx: 'automatic',
  logLevel: 'error',
  nodePaths: [modules],
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'window' },
  loader: { '.css': 'text', '.svg': 'dataurl', '.woff2': 'dataurl', '.woff': 'dataurl', '.ttf': 'dataurl', '.png': 'dataurl' },
  alias: {
    'react-custom-scrollbars-2': path.join(here, 'scrollbars.js'),
    scrollbars: path.join(modules, 'react-custom-scrollbars-2/lib/Scrollbars/index.js'),
  },
});
