/**
 * VS Code's own code, as code-server serves it, and a page of headless Chromium that shows it: what
 * a test needs to type into it and to read it. Everything that is written lies in one folder.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import * as path from 'node:path';

/**
 * Starts code-server with a package (.vsix) installed, these settings and keys, and opens the
 * folder `files` (names and texts) in a page. `packages` is the folder that npm filled; `prepare`
 * is called before anything starts.
 */
export async function openEditor({ packages, work, vsix, settings, files, keys, prepare }) {
    fs.rmSync(work, { recursive: true, force: true });
    prepare?.();
    const at = (name) => path.join(work, name);
    for (const name of ['home', 'user/Machine', 'user/User', 'extensions', 'files']) {
        fs.mkdirSync(at(name), { recursive: true });
    }
    const machine = at('user/Machine/settings.json');
    fs.writeFileSync(machine, JSON.stringify(settings, null, 4));
    fs.writeFileSync(at('user/User/keybindings.json'), JSON.stringify(keys ?? []));
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(at(`files/${name}`), text);

    const program = path.join(packages, 'node_modules/code-server/out/node/entry.js');
    const folders = ['--user-data-dir', at('user'), '--extensions-dir', at('extensions')];
    const env = { ...process.env, HOME: at('home') };
    await finished(spawn(process.execPath, [program, ...folders, '--install-extension', vsix],
                         { env, stdio: 'inherit' }));
    const log = fs.openSync(at('code-server.log'), 'w');
    const server = spawn(process.execPath, [program, ...folders, '--bind-addr', '127.0.0.1:0',
        '--auth', 'none', '--disable-telemetry', '--disable-update-check',
        '--disable-workspace-trust', '--disable-getting-started-override', at('files')],
                         { env, stdio: ['ignore', log, log] });
    let browser;
    const close = async () => {
        await browser?.close();
        server.kill('SIGTERM');
        await finished(server).catch(() => undefined);
    };
    try {
        const address = await until('code-server listens', 30, () =>
            /listening on (http:\S+)/.exec(fs.readFileSync(at('code-server.log'), 'utf8'))?.[1]);
        const { chromium } = createRequire(path.join(packages, 'x.js'))('playwright-core');
        browser = await chromium.launch({
            executablePath: process.env.APUS_CHROMIUM ?? '/usr/bin/chromium',
            args: ['--no-sandbox'], /* which root cannot have; the page is our own */
        });
        const page = await browser.newPage({ viewport: { width: 880, height: 480 } });
        page.setDefaultTimeout(60_000);
        await page.goto(`${address}?folder=${encodeURIComponent(at('files'))}`);
        await page.waitForSelector('.monaco-workbench .explorer-viewlet');
        return new Editor(page, at('files'), machine, close);
    } catch (error) {
        await close();
        throw error;
    }
}

class Editor {
    constructor(page, folder, machine, close) {
        this.page = page;
        this.folder = folder;
        this.machine = machine;
        this.close = close;
    }

    async openFile(name) {
        await this.page.dblclick(`.explorer-viewlet .monaco-list-row[aria-label^="${name}"]`);
        await this.page.waitForSelector(`.tab.active[data-resource-name="${name}"]`);
        await this.focus();
    }

    async focus() {
        await this.page.click('.editor-instance .monaco-editor .view-lines');
    }

    /** Runs a command by the title that the palette shows. */
    async command(title) {
        await this.page.keyboard.press('F1');
        await this.page.waitForSelector('.quick-input-widget input:focus');
        await this.page.keyboard.type(title);
        await this.page.waitForSelector(`.quick-input-list [aria-label^="${title}"]`);
        await this.page.keyboard.press('Enter');
        await this.page.waitForSelector('.quick-input-widget', { state: 'hidden' });
    }

    /** The ghost text that is shown, its lines joined, or '' where there is none. */
    async ghost() {
        return await this.page.evaluate(() => {
            const editor = document.querySelector('.editor-instance .monaco-editor');
            const inline = [...editor?.querySelectorAll('.view-lines .ghost-text-decoration') ?? []]
                .map((span) => span.textContent).join('');
            const below = [...editor?.querySelectorAll('.suggest-preview-text .view-line') ?? []]
                .map((line) => line.textContent);
            return [inline, ...below].join('\n').replaceAll('\u00a0', ' ');
        });
    }

    /** Waits for a ghost text that `wanted` accepts, and gives it. */
    async waitForGhost(what, wanted = (text) => text !== '', seconds = 60) {
        return await until(what, seconds, async () => {
            const text = await this.ghost();
            return wanted(text) ? text || ' ' : undefined;
        });
    }

    /** The document's text as the editor has it: it is saved where it was not, and read. */
    async text(name) {
        if (await this.page.$('.tab.active.dirty')) await this.page.keyboard.press('Control+S');
        await this.page.waitForSelector('.tab.active:not(.dirty)');
        return fs.readFileSync(path.join(this.folder, name), 'utf8');
    }

    /** Changes the machine's settings while the editor runs; it watches the file. */
    async change(settings) {
        fs.writeFileSync(this.machine, JSON.stringify(settings, null, 4));
    }

    /** What the status item says to those who point at it. */
    async status() {
        return await this.page.evaluate(() => document
            .querySelector('.statusbar-item[id^="apus."]')?.getAttribute('aria-label') ?? '');
    }
}

/** Waits until `look` gives something that counts as true, and gives it. */
export async function until(what, seconds, look) {
    const end = Date.now() + 1000 * seconds;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > end) throw new Error(`waited ${seconds} s, and still not: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}

function finished(child) {
    return new Promise((resolve, reject) => {
        if (child.exitCode !== null) resolve();
        child.once('error', reject);
        child.once('exit', (status) => {
            if (status === 0) resolve();
            else reject(new Error(`${child.spawnargs.join(' ')} ended with ${status}`));
        });
    });
}
