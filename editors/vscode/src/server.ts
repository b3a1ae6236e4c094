/** One `apus lsp` and the client that speaks to it, from start to stop. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import * as readline from 'node:readline';
import * as vscode from 'vscode';
import { CloseAction, ErrorAction, LanguageClient, MessageType, RevealOutputChannelOn,
         ShowMessageNotification, State as ClientState } from 'vscode-languageclient/node';
import type { Middleware } from 'vscode-languageclient/node';
import { languageOn } from './settings';
import type { CommandLine, Settings } from './settings';
import { startAgain } from './state';
import type { State } from './state';

/** How long an answer may take before the status item says that apus works, in milliseconds. */
const slowAnswer = 300;

export class Server {
    private readonly client: LanguageClient;
    private readonly ends: number[] = [];
    private process: ChildProcess | undefined;
    private lastWords = '';
    private started = false;
    private stopping = false;
    private loading: State | undefined; /* while apus tells of its progress */
    private slow = 0;                   /* answers that are waited for longer than slowAnswer */

    /**
     * `languages` says which documents apus sees. `tell` hears every change of state; after
     * 'failed' this server is of no more use.
     */
    constructor(
        private readonly line: CommandLine,
        languages: Settings['languages'],
        private readonly log: vscode.LogOutputChannel,
        private readonly tell: (state: State) => void,
    ) {
        const sees = (document: vscode.TextDocument) => languageOn(languages, document.languageId);
        const unseen = Promise.resolve();
        const middleware: Middleware = {
            didOpen: (document, next) => (sees(document) ? next(document) : unseen),
            didChange: (event, next) => (sees(event.document) ? next(event) : unseen),
            didSave: (document, next) => (sees(document) ? next(document) : unseen),
            didClose: (document, next) => (sees(document) ? next(document) : unseen),
            provideInlineCompletionItems: async (document, position, context, token, next) => {
                if (!sees(document)) return undefined;
                return await this.showIfSlow(async () =>
                    await next(document, position, context, token));
            },
            handleWorkDoneProgress: (_token, params) => {
                this.loading = params.kind === 'end'
                    ? undefined
                    : { kind: 'loading', percent: params.percentage };
                this.tellState();
            },
        };
        this.client = new LanguageClient('apus', 'Apus', () => this.spawn(), {
            documentSelector: [{ scheme: 'file' }, { scheme: 'untitled' }],
            middleware,
            outputChannel: log,
            traceOutputChannel: log,
            revealOutputChannelOn: RevealOutputChannelOn.Never,
            initializationFailedHandler: () => false,
            errorHandler: {
                error: () => ({ action: ErrorAction.Continue, handled: true }),
                closed: () => this.closed(),
            },
            stdioOptions: {
                stdout: () => { /* the client reads it */ },
                stderr: (stream) => {
                    readline.createInterface({ input: stream }).on('line', (said) => {
                        this.lastWords = said;
                        this.log.info(said);
                    });
                },
            },
        });
        this.client.onDidChangeState(() => { this.tellState(); });
        this.client.onNotification(ShowMessageNotification.type, ({ type, message }) => {
            if (type === MessageType.Error) this.fail(message);
            else void vscode.window.showInformationMessage(message);
        });
    }

    /** Resolves when apus answers, or after 'failed' was told. */
    async start(): Promise<void> {
        this.tellState();
        try {
            await this.client.start();
            this.started = true;
        } catch (error) {
            this.log.error(error instanceof Error ? error.message : String(error));
            this.fail('Apus could not start.');
        }
    }

    /** Ends apus; what it held is free when this resolves. */
    async stop(): Promise<void> {
        this.stopping = true;
        if (this.client.state === ClientState.Stopped) return;
        try {
            await this.client.dispose(2000);
        } catch (error) {
            this.log.warn(`apus did not end when asked to: ${String(error)}`);
        }
        this.process?.kill();
    }

    private spawn(): Promise<ChildProcess> {
        this.log.info([this.line.program, ...this.line.arguments].join(' '));
        this.lastWords = '';
        const process = spawn(this.line.program, this.line.arguments, { stdio: 'pipe' });
        this.process = process;
        return new Promise((resolve, reject) => {
            process.once('spawn', () => { resolve(process); });
            process.once('error', (error) => {
                this.lastWords = error.message;
                reject(error);
            });
        });
    }

    private closed(): { action: CloseAction; handled: boolean } {
        if (this.stopping) return { action: CloseAction.DoNotRestart, handled: true };
        if (this.started && startAgain(this.ends, Date.now())) {
            this.log.warn('apus ended by itself and is started again');
            this.loading = undefined;
            return { action: CloseAction.Restart, handled: true };
        }
        this.fail('Apus ended by itself.');
        return { action: CloseAction.DoNotRestart, handled: true };
    }

    /** What apus wrote last on standard error has the reason. */
    private fail(message: string): void {
        if (this.stopping) return;
        this.tell({ kind: 'failed', message: `${message} ${this.lastWords}`.trimEnd() });
        void this.stop();
    }

    private tellState(): void {
        if (this.stopping) return;
        if (this.client.state !== ClientState.Running) {
            this.tell({ kind: 'starting' });
        } else {
            this.tell(this.loading ?? { kind: this.slow > 0 ? 'working' : 'ready' });
        }
    }

    private async showIfSlow<T>(answer: () => Promise<T>): Promise<T> {
        let counted = false as boolean;
        const timer = setTimeout(() => {
            counted = true;
            this.slow++;
            this.tellState();
        }, slowAnswer);
        try {
            return await answer();
        } finally {
            clearTimeout(timer);
            if (counted) {
                this.slow--;
                this.tellState();
            }
        }
    }
}
