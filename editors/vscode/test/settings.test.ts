/** Settings: the command line that follows from them, and what is said where none does. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { after, before, test } from 'node:test';
import { commandLine, expand, findProgram, languageOn } from '../src/settings';
import type { Settings } from '../src/settings';

let folder = '';
let settings: Settings;

before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'apus-vscode-'));
    fs.writeFileSync(path.join(folder, 'apus'), '', { mode: 0o755 });
    fs.writeFileSync(path.join(folder, 'notes'), '', { mode: 0o644 });
    fs.writeFileSync(path.join(folder, 'a model.apus'), '');
    settings = {
        enabled: true,
        path: 'apus',
        model: path.join(folder, 'a model.apus'),
        draft: '',
        context: 0,
        threads: 0,
        languages: {},
        arguments: [],
    };
});
after(() => { fs.rmSync(folder, { recursive: true }); });

test('what is not set is left to apus', () => {
    assert.deepEqual(commandLine(settings, folder), {
        program: path.join(folder, 'apus'),
        arguments: ['lsp', settings.model],
    });
});

test('what is set is said, further arguments last', () => {
    const all = { ...settings, draft: settings.model, context: 4096, threads: 2,
                  arguments: ['--cpu', 'avx2'] };
    assert.deepEqual(commandLine(all, folder), {
        program: path.join(folder, 'apus'),
        arguments: ['lsp', settings.model, '--draft', settings.model, '--ctx', '4096',
                    '--threads', '2', '--cpu', 'avx2'],
    });
});

test('a problem names its setting and what was found', () => {
    const problem = (changes: Partial<Settings>) => {
        const found = commandLine({ ...settings, ...changes }, folder);
        assert.ok('setting' in found);
        return found;
    };
    assert.equal(problem({ path: 'no-apus' }).setting, 'path');
    assert.match(problem({ path: 'no-apus' }).message, /"no-apus" on PATH/);
    assert.match(problem({ path: '/no/apus' }).message, /"\/no\/apus"\./);
    assert.equal(problem({ model: '' }).setting, 'model');
    assert.equal(problem({ model: '/no/model' }).setting, 'model');
    assert.equal(problem({ model: folder }).setting, 'model');
    assert.equal(problem({ draft: '/no/draft' }).setting, 'draft');
    assert.match(problem({ draft: '/no/draft' }).message, /"\/no\/draft" for its draft/);
});

test('a program is a file that may be run, on PATH or where a path says', () => {
    const search = ['/no/folder', folder].join(path.delimiter);
    assert.equal(findProgram('apus', search), path.join(folder, 'apus'));
    assert.equal(findProgram('apus', '/no/folder'), undefined);
    assert.equal(findProgram('apus', ''), undefined);
    assert.equal(findProgram(path.join(folder, 'apus'), ''), path.join(folder, 'apus'));
    assert.equal(findProgram(path.join(folder, 'notes'), ''), undefined);
    assert.equal(findProgram(folder, ''), undefined);
});

test('~ is the home folder, at the beginning and alone', () => {
    assert.equal(expand('~/m.apus'), path.join(os.homedir(), 'm.apus'));
    assert.equal(expand('~'), os.homedir());
    assert.equal(expand('~other/m.apus'), '~other/m.apus');
    assert.equal(expand('/a/~/b'), '/a/~/b');
});

test('a language by its name, then all others, then yes', () => {
    const languages = { '*': false, python: true, c: false };
    assert.equal(languageOn(languages, 'python'), true);
    assert.equal(languageOn(languages, 'c'), false);
    assert.equal(languageOn(languages, 'rust'), false);
    assert.equal(languageOn({ c: false }, 'rust'), true);
    assert.equal(languageOn({}, 'constructor'), true);
});
