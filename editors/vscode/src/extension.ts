/**
 * Where the editor starts and ends the plug-in: its commands, its status item, and the one server
 * that follows the settings.
 */
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Server } from './server';
import { commandLine, startSettings } from './settings';
import type { Problem, Settings } from './settings';
import { shown } from './state';
import type { State } from './state';

let running: Server | undefined;
let turn: Promise<void> = Promise.resolve(); /* starts and stops go one after the other */
let log: vscode.LogOutputChannel;
let item: vscode.StatusBarItem;

export function activate(context: vscode.ExtensionContext): Promise<void> {
    log = vscode.window.createOutputChannel('Apus', { log: true });
    item = vscode.window.createStatusBarItem('apus', vscode.StatusBarAlignment.Right);
    item.name = 'Apus';
    item.command = 'apus.choose';
    item.show();
    context.subscriptions.push(
        log,
        item,
        vscode.commands.registerCommand('apus.choose', choose),
        vscode.commands.registerCommand('apus.toggle', toggle),
        vscode.commands.registerCommand('apus.restart', restart),
        vscode.commands.registerCommand('apus.chooseModel', chooseModel),
        vscode.commands.registerCommand('apus.showLog', () => { log.show(); }),
        vscode.commands.registerCommand('apus.openSettings', () => openSettings('apus.')),
        vscode.workspace.onDidChangeConfiguration(async (event) => {
            if (startSettings.some((name) => event.affectsConfiguration(`apus.${name}`))) {
                await restart();
            }
        }),
    );
    return restart();
}

export async function deactivate(): Promise<void> {
    await turn;
    await running?.stop();
}

function read(): Settings {
    /* package.json declares exactly these, with their types and defaults */
    return vscode.workspace.getConfiguration().get('apus', {} as Settings);
}

function tell(state: State): void {
    const { text, tooltip, warns } = shown(state, path.basename(read().model));
    item.text = text;
    item.tooltip = tooltip;
    item.backgroundColor = warns
        ? new vscode.ThemeColor('statusBarItem.warningBackground')
        : undefined;
    if (state.kind === 'failed') {
        log.error(state.message);
        void offer(state.message, state.setting);
    }
}

/** Ends what runs, and starts what the settings say. */
function restart(): Promise<void> {
    turn = turn.then(async () => {
        await running?.stop();
        running = undefined;
        const settings = read();
        if (!settings.enabled) {
            tell({ kind: 'off' });
            return;
        }
        const line = commandLine(settings, process.env.PATH ?? '');
        if ('setting' in line) {
            tell({ kind: 'failed', ...line });
            return;
        }
        const server = new Server(line, settings.languages, log, (state) => {
            if (running === server) tell(state);
        });
        running = server;
        await server.start();
    });
    return turn;
}

/** Says what is wrong, beside buttons for what mends it. */
async function offer(message: string, setting: Problem['setting'] | undefined): Promise<void> {
    const choose = 'Choose the Model...', open = 'Open the Setting', show = 'Show the Log';
    const buttons = setting === undefined ? [choose, show]
        : setting === 'model' ? [choose, open] : [open];
    const pressed = await vscode.window.showErrorMessage(message, ...buttons);
    if (pressed === choose) await chooseModel();
    if (pressed === open) await openSettings(`@id:apus.${String(setting)}`);
    if (pressed === show) log.show();
}

/** Where apus runs on another machine than the window, that one's settings say what it runs. */
async function openSettings(query: string): Promise<void> {
    const remote = vscode.env.remoteName !== undefined;
    await vscode.commands.executeCommand(
        `workbench.action.${remote ? 'openRemoteSettings' : 'openSettings'}`, { query });
}

async function chooseModel(): Promise<void> {
    const files = await vscode.window.showOpenDialog({
        title: 'A model that apus-pack wrote',
        openLabel: 'Complete with It',
        filters: { 'Models of Apus': ['apus'], 'All files': ['*'] },
    });
    if (files?.[0] !== undefined) await write('model', files[0].fsPath);
}

async function toggle(): Promise<void> {
    await write('enabled', !read().enabled);
}

/** Writes a setting where it takes effect: a workspace that has its own keeps its own. */
async function write(setting: keyof Settings, value: unknown): Promise<void> {
    const settings = vscode.workspace.getConfiguration('apus');
    const own = settings.inspect(setting)?.workspaceValue !== undefined;
    const where = own ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
    await settings.update(setting, value, where);
}

/** What the status item offers when it is pressed. */
async function choose(): Promise<void> {
    const on = read().enabled;
    const picked = await vscode.window.showQuickPick([
        { label: on ? '$(circle-slash) Turn off' : '$(sparkle) Turn on', command: 'apus.toggle' },
        { label: '$(refresh) Restart', command: 'apus.restart' },
        { label: '$(file) Choose the model...', command: 'apus.chooseModel' },
        { label: '$(output) Show the log', command: 'apus.showLog' },
        { label: '$(gear) Settings', command: 'apus.openSettings' },
    ], { title: 'Apus', placeHolder: item.tooltip as string });
    if (picked !== undefined) await vscode.commands.executeCommand(picked.command);
}
