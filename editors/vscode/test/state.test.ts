/** What the status item shows, and when a server that ended is started again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown, startAgain } from '../src/state';

test('every state has a text and says more when pointed at', () => {
    assert.equal(shown({ kind: 'off' }, '').tooltip, 'Apus is off');
    assert.equal(shown({ kind: 'ready' }, 'm.apus').tooltip, 'Apus with m.apus is ready');
    assert.equal(shown({ kind: 'ready' }, '').tooltip, 'Apus is ready');
    assert.match(shown({ kind: 'loading', percent: 41.7 }, '').text, / 42 %$/);
    assert.match(shown({ kind: 'loading', percent: undefined }, '').text, / Apus$/);
});

test('only what failed warns, and the tooltip says why', () => {
    const failed = shown({ kind: 'failed', message: 'no model' }, 'm.apus');
    assert.deepEqual([failed.warns, failed.tooltip], [true, 'no model']);
    assert.equal(shown({ kind: 'working' }, '').warns, false);
});

test('three ends within three minutes are enough', () => {
    const ends: number[] = [];
    assert.deepEqual([0, 100_000, 179_000].map((at) => startAgain(ends, at)), [true, true, false]);
    const slow: number[] = [];
    assert.deepEqual([0, 100_000, 200_000, 270_000].map((at) => startAgain(slow, at)),
                     [true, true, true, false]);
});
