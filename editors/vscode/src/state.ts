/** What apus is doing, and how the status item says it. Nothing here knows the editor. */
import type { Problem } from './settings';

export type State =
    | { kind: 'off' }
    | { kind: 'starting' }
    | { kind: 'loading'; percent: number | undefined }
    | { kind: 'ready' }
    | { kind: 'working' }
    | { kind: 'failed'; message: string; setting?: Problem['setting'] };

export interface Shown {
    text: string;
    tooltip: string;
    warns: boolean;
}

/** The model's file names what completes; '' where none is set. */
export function shown(state: State, model: string): Shown {
    const name = model === '' ? 'Apus' : `Apus with ${model}`;
    switch (state.kind) {
        case 'off':
            return { text: '$(circle-slash) Apus', tooltip: 'Apus is off', warns: false };
        case 'starting':
            return { text: '$(loading~spin) Apus', tooltip: `${name} starts`, warns: false };
        case 'loading':
            return {
                text: '$(loading~spin) Apus' +
                    (state.percent === undefined ? '' : ` ${String(Math.round(state.percent))} %`),
                tooltip: `${name} loads its model`,
                warns: false,
            };
        case 'ready':
            return { text: '$(sparkle) Apus', tooltip: `${name} is ready`, warns: false };
        case 'working':
            return { text: '$(loading~spin) Apus', tooltip: `${name} completes`, warns: false };
        case 'failed':
            return { text: '$(warning) Apus', tooltip: state.message, warns: true };
    }
}

/**
 * Whether a server that ended by itself is started again: not when it ended thrice within three
 * minutes. Times are in milliseconds; `ends` keeps those that count and is written.
 */
export function startAgain(ends: number[], now: number): boolean {
    ends.push(now);
    while (ends.length > 0 && (ends[0] ?? now) < now - 180_000) ends.shift();
    return ends.length < 3;
}
