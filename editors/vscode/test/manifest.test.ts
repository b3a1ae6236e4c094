/** package.json and the sources know the same settings and commands, and the tree's version. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { test } from 'node:test';
import { startSettings } from '../src/settings';

interface Manifest {
    version: string;
    contributes: {
        commands: { command: string }[];
        configuration: { properties: Record<string, { default: unknown; scope?: string }> };
    };
}

const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8')) as Manifest;
const properties = manifest.contributes.configuration.properties;
const source = fs.readFileSync('src/extension.ts', 'utf8');

test('every setting that the plug-in reads is declared', () => {
    for (const name of startSettings) assert.ok(`apus.${name}` in properties, name);
});

const serverSource = '../../apps/complete/lsp_settings.c';
test('every other setting is one that apus lsp asks for', () => {
    const asked = fs.readFileSync(serverSource, 'utf8');
    const own = Object.keys(properties).map((name) => name.replace('apus.', ''))
        .filter((name) => !startSettings.some((known) => known === name));
    assert.ok(own.length > 0);
    for (const name of own) assert.ok(asked.includes(`{"${name}", `), name);
});

test('a folder that is opened cannot say what is run', () => {
    for (const name of ['path', 'model', 'draft', 'arguments']) {
        assert.equal(properties[`apus.${name}`]?.scope, 'machine', name);
    }
});

test('every command is registered', () => {
    for (const { command } of manifest.contributes.commands) {
        assert.ok(source.includes(`registerCommand('${command}'`), command);
    }
});

test('the versions agree', { skip: process.env.APUS_VERSION ? false : 'APUS_VERSION is not set' },
     () => { assert.equal(manifest.version, process.env.APUS_VERSION); });
