/**
 * Types into VS Code and reads what people see: ghost text of `apus lsp`, accepted whole, by the
 * word and by the line, dismissed, and never stale; a language and the plug-in off, apus killed,
 * models that are none. What a model writes is not known here: each step is held against what was
 * shown before it.
 *
 *   node vscode_browser.mjs PACKAGES VSIX APUS MODEL WORK
 *
 * PACKAGES is what `toolchain/vscode.sh browser` made, VSIX what it made without it. WORK is a
 * folder that is emptied first; the pictures stay there.
 */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { openEditor, until } from './code_server.mjs';

const [packages, vsix, apus, model, work] = process.argv.slice(2).map((name) => path.resolve(name));
const settings = {
    'apus.path': path.join(work, 'bin/apus'), /* a name of its own, so that its process is found */
    'apus.model': model,
    'apus.chunks': 0, /* the same text for the same document, whatever was typed before */
    'workbench.startupEditor': 'none',
    'workbench.tips.enabled': false,
    'editor.quickSuggestions': { other: 'off', comments: 'off', strings: 'off' },
    'editor.suggestOnTriggerCharacters': false,
    'editor.minimap.enabled': false,
    'editor.autoClosingBrackets': 'never',
    'editor.autoIndent': 'none', /* the document is what was typed */
    'files.autoSave': 'off',
    'breadcrumbs.enabled': false,
    'editor.stickyScroll.enabled': false,
    'git.enabled': false,
    'telemetry.telemetryLevel': 'off',
};
const shapes = `class Circle:
    def __init__(self, radius):
        self.radius = radius

    def area(self):
        return 3.14159 * self.radius * self.radius


class Square:
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side * self.side


`;
const editor = await openEditor({
    packages, vsix, settings,
    work: path.join(work, 'code-server'),
    files: { 'shapes.py': shapes, 'notes.txt': 'Notes\n' },
    keys: [{ key: 'ctrl+alt+right', command: 'editor.action.inlineSuggest.acceptNextLine',
             when: 'inlineSuggestionVisible' }],
    prepare: () => {
        fs.mkdirSync(path.join(work, 'bin'), { recursive: true });
        fs.rmSync(path.join(work, 'bin/apus'), { force: true });
        fs.symlinkSync(apus, path.join(work, 'bin/apus'));
    },
});
const { page } = editor;
const press = (keys) => page.keyboard.press(keys);
const type = (text) => page.keyboard.type(text);
const picture = (name) => page.screenshot({ path: path.join(work, `${name}.png`) });

/** Every `apus lsp` of this test that runs. */
function processes() {
    return fs.readdirSync('/proc').filter((id) => /^\d+$/.test(id)).filter((id) => {
        try {
            return fs.readFileSync(`/proc/${id}/cmdline`, 'utf8')
                .startsWith(`${settings['apus.path']}\0lsp\0`);
        } catch {
            return false;
        }
    });
}

/** The ghost text that stays: the answer to the last keystroke, not to one before. */
async function settled(what) {
    let last = '', since = 0;
    return await until(`ghost text after ${JSON.stringify(what)}`, 60, async () => {
        const now = await editor.ghost();
        if (now !== last) [last, since] = [now, Date.now()];
        return last !== '' && Date.now() - since > 1500 ? last : undefined;
    });
}

/** Types at the end of the file and gives the ghost text that comes and stays. */
async function ghostAfter(text) {
    await press('Control+End');
    await type(text);
    return await settled(text);
}

async function step(name, work) {
    const begin = Date.now();
    await work();
    console.log(`ok ${name} (${Date.now() - begin} ms)`);
}

try {
    await step('the model is loaded and the status item says so', async () => {
        await until('ready', 60, async () => /is ready/.test(await editor.status()));
        assert.equal(processes().length, 1);
    });

    await step('ghost text is shown, and Tab takes all of it', async () => {
        await editor.openFile('shapes.py');
        const ghost = await ghostAfter(
            'class Rectangle:\n    def __init__(self, width, height):\n        self.');
        await press('Control+B'); /* no side bar in the picture */
        await page.waitForTimeout(500);
        await picture('ghost');
        await press('Control+B');
        const before = await editor.text('shapes.py');
        assert.equal(await editor.ghost(), ghost);
        await press('Tab');
        await until('no ghost text', 10, async () => (await editor.ghost()) !== ghost);
        assert.equal(await editor.text('shapes.py'), before + ghost);
    });

    await step('a word is taken, the rest stays', async () => {
        await press('Escape');
        const ghost = await ghostAfter('\n        self.');
        const before = await editor.text('shapes.py');
        await press('Control+ArrowRight');
        const rest = await editor.waitForGhost('less ghost text', (text) => text !== ghost);
        const taken = (await editor.text('shapes.py')).slice(before.length);
        assert.equal(taken + rest, ghost);
        assert.match(taken, /^\s*(\w+|[^\w\s]+)\s*$/);
    });

    await step('the rest of the line is taken', async () => {
        const ghost = await editor.ghost();
        const before = await editor.text('shapes.py');
        await press('Control+Alt+ArrowRight');
        await until('less ghost text', 10, async () => (await editor.ghost()) !== ghost);
        const taken = (await editor.text('shapes.py')).slice(before.length);
        assert.ok(ghost.startsWith(taken.trimEnd()), `${taken} of ${ghost}`);
        assert.equal(taken.split('\n')[0], ghost.split('\n')[0]);
    });

    await step('Escape dismisses, and nothing comes back by itself', async () => {
        await press('Escape');
        await ghostAfter('\n        self.');
        const before = await editor.text('shapes.py');
        await press('Escape');
        await until('no ghost text', 5, async () => (await editor.ghost()) === '');
        await page.waitForTimeout(1500);
        assert.equal(await editor.ghost(), '');
        assert.equal(await editor.text('shapes.py'), before);
    });

    await step('after quick edits only the last one is answered', async () => {
        const first = await ghostAfter('\n\nprint(Circle(2).');
        await type('radius, ');
        await press('Backspace');
        await press('Backspace');
        await type(', Square(3).');
        const quick = await settled('quick edits');
        await press('Escape');
        await press('Backspace');
        await page.waitForTimeout(1500);
        await press('Escape');
        await type('.');
        assert.equal(await settled('the last edit'), quick);
        assert.notEqual(quick, first);
    });

    await step('a language that is off gets nothing', async () => {
        await press('Control+S');
        await editor.openFile('notes.txt');
        await press('Control+End');
        await type('class Circle:\n    def ');
        await page.waitForTimeout(2500);
        assert.equal(await editor.ghost(), '');
        await press('Control+S');
    });

    await step('off ends apus, on starts it', async () => {
        await editor.command('Apus: Turn On or Off');
        await until('off', 15, async () => /Apus is off/.test(await editor.status()));
        await until('no process', 15, () => processes().length === 0);
        await editor.command('Apus: Turn On or Off');
        await until('ready', 60, async () => /is ready/.test(await editor.status()));
        await editor.openFile('shapes.py');
        await ghostAfter('\n\n\nclass Square2:\n    def ');
        await press('Escape');
    });

    await step('a killed apus is started again', async () => {
        const [before] = processes();
        process.kill(Number(before), 'SIGKILL');
        await until('another process', 30, () =>
            processes().length === 1 && processes()[0] !== before);
        await until('ready', 60, async () => /is ready/.test(await editor.status()));
        await ghostAfter('x = Square(4).');
        await press('Escape');
    });

    await step('a model that is missing is said, beside its setting', async () => {
        await editor.change({ ...settings, 'apus.model': '/no/such/model.apus' });
        await until('the message', 20, async () =>
            /found no file "\/no\/such\/model.apus" for its model/
                .test(await page.textContent('.notifications-toasts') ?? ''));
        await until('no process', 15, () => processes().length === 0);
        await picture('missing');
        await page.click('.notifications-toasts .monaco-button:has-text("Open the Setting")');
        await page.waitForSelector('.settings-editor [data-key="apus.model"]');
    });

    await step('a file that is no model is said, with the reason', async () => {
        await editor.change({ ...settings, 'apus.model': path.join(editor.folder, 'notes.txt') });
        await until('the message', 20, async () =>
            /could not load its model.*notes\.txt/
                .test(await page.textContent('.notifications-toasts') ?? ''));
        await until('no process', 15, () => processes().length === 0);
        assert.match(await editor.status(), /could not load its model/);
        await editor.change(settings);
        await until('ready', 60, async () => /is ready/.test(await editor.status()));
    });
} catch (error) {
    await picture('failed').catch(() => undefined);
    console.log(`status: ${await editor.status().catch(String)}`);
    throw error;
} finally {
    await editor.close();
}
