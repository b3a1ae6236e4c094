// Makes what the package holds beside package.json: dist/extension.js, one file, and
// THIRD-PARTY.txt, the licences of what went into it from others.
import { build } from 'esbuild';
import * as fs from 'node:fs';

const { metafile } = await build({
    entryPoints: ['src/extension.ts'],
    outfile: 'dist/extension.js',
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['vscode'],
    metafile: true,
    logLevel: 'warning',
});
const packages = new Set(Object.keys(metafile.inputs)
    .map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0])
    .filter((folder) => folder !== undefined));
const notices = [...packages].sort().map((folder) => {
    const about = JSON.parse(fs.readFileSync(`${folder}/package.json`, 'utf8'));
    const file = fs.readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) throw new Error(`${folder} has no file with its licence`);
    const text = fs.readFileSync(`${folder}/${file}`, 'utf8').trim();
    return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
});
fs.writeFileSync('THIRD-PARTY.txt', notices.join(`\n${'-'.repeat(80)}\n\n`));
