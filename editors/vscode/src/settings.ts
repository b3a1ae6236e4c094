/**
 * What the user sets (package.json declares each with its meaning), and the command line of
 * `apus lsp` that follows from it. Nothing here knows the editor. Settings that are not listed
 * here are apus's own: it asks for them by `workspace/configuration`.
 */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export interface Settings {
    enabled: boolean;
    path: string;
    model: string;
    draft: string;
    context: number;
    threads: number;
    languages: Record<string, boolean>;
    arguments: string[];
}

/** Their names. Each takes effect when apus starts, so that a change is a new start. */
export const startSettings = [
    'enabled', 'path', 'model', 'draft', 'context', 'threads', 'languages', 'arguments',
] as const satisfies readonly (keyof Settings)[];

export interface CommandLine {
    program: string;
    arguments: string[];
}

/** Why apus cannot be started, and the setting that mends it. */
export interface Problem {
    setting: 'path' | 'model' | 'draft';
    message: string;
}

/** The file that a path of the settings means: `~/` is the home folder. */
export function expand(file: string): string {
    return /^~(?=$|[\\/])/.test(file) ? os.homedir() + file.slice(1) : file;
}

/** The program's file, or undefined: a bare name is looked for on PATH. */
export function findProgram(name: string, searchPath: string): string | undefined {
    const wanted = expand(name);
    const folders = /[\\/]/.test(wanted) ? [''] : searchPath.split(path.delimiter).filter(Boolean);
    const endings = process.platform === 'win32' ? ['.exe', ''] : [''];
    return folders
        .flatMap((folder) => endings.map((ending) => path.join(folder, wanted + ending)))
        .find(isProgram);
}

/** The command line to start, or the first problem that it would meet. */
export function commandLine(settings: Settings, searchPath: string): CommandLine | Problem {
    const program = findProgram(settings.path, searchPath);
    if (program === undefined) {
        return {
            setting: 'path',
            message: `Apus found no program "${settings.path}"` +
                (/[\\/]/.test(settings.path) ? '.' : ' on PATH.') +
                ' Build or install apus, and set where it is.',
        };
    }
    if (settings.model === '') {
        return {
            setting: 'model',
            message: 'Apus has no model yet. Choose a file (.apus) that apus-pack wrote.',
        };
    }
    for (const setting of ['model', 'draft'] as const) {
        const file = settings[setting];
        if (file !== '' && !isFile(expand(file))) {
            return { setting, message: `Apus found no file "${file}" for its ${setting}.` };
        }
    }
    return {
        program,
        arguments: [
            'lsp',
            expand(settings.model),
            ...(settings.draft === '' ? [] : ['--draft', expand(settings.draft)]),
            ...(settings.context === 0 ? [] : ['--ctx', String(settings.context)]),
            ...(settings.threads === 0 ? [] : ['--threads', String(settings.threads)]),
            ...settings.arguments,
        ],
    };
}

/** Whether documents in a language are completed, and shown to apus at all. */
export function languageOn(languages: Record<string, boolean>, language: string): boolean {
    const name = Object.hasOwn(languages, language) ? language : '*';
    return languages[name] ?? true;
}

function isFile(file: string): boolean {
    return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isProgram(file: string): boolean {
    try {
        fs.accessSync(file, fs.constants.X_OK);
        return isFile(file);
    } catch {
        return false;
    }
}
