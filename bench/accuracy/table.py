#!/usr/bin/env python3
"""The accuracy table: compares SmolLM2 in several formats with the float32 model, on code and on
English.

    table.py SmolLM2.gguf --work FOLDER [--bytes 100000] [--window 512]

Every text is cut into windows of `window` tokens, which are evaluated without context before them.
KL(float32 || format) in nats, its 99th percentile and agreement of the likeliest token are over all
positions, perplexity is over the second half of each window. Apus is calibrated with the text that
ships, with only its code, with only its prose (parts.py), and not at all. All formats are made from
one F32 file (off_grid.py). Apus runs its own blobs, llama.cpp its own files; the reference is
tests/oracle/float_reference.py. Finished windows are kept in FOLDER/windows.jsonl and not computed
again. APUS_BUILD names the build folder. Exit status 77 without the packages."""
import argparse
import hashlib
import itertools
import json
import os
import pathlib
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / 'tests' / 'oracle'), str(ROOT / 'bench' / 'accuracy')]
import runner  # noqa: E402

runner.need('numpy', 'gguf')
import numpy as np  # noqa: E402
import compare  # noqa: E402
import float_reference  # noqa: E402
import off_grid  # noqa: E402
import parts  # noqa: E402

LLAMA = {'Q8_0': 7, 'Q4_0': 2, 'Q4_K_M': 15}  # llama_ftype
CODE = [
    'argparse.py', 'ast.py', 'bdb.py', 'calendar.py', 'codecs.py', 'configparser.py', 'copy.py',
    'csv.py', 'difflib.py', 'dis.py', 'enum.py'
]
PROSE = ['Artistic', 'Apache-2.0', 'GPL-1', 'MPL-2.0', 'GFDL-1.3', 'MPL-1.1', 'LGPL-2.1', 'GPL-3']


def texts(size):
    """[(kind, text)]: `size` characters of each kind, in equal parts from every file."""
    lib, licenses = pathlib.Path(
        sysconfig.get_paths()['stdlib']), pathlib.Path('/usr/share/common-licenses')
    out = []
    for kind, paths in (('code', [lib / n
                                  for n in CODE]), ('English', [licenses / n for n in PROSE])):
        left, text = size, ''
        for i, path in enumerate(paths):
            if not path.exists():
                runner.skip(f'{path} is missing')
            excerpt = path.read_text(encoding='utf-8')[:-(-left // (len(paths) - i))]
            text += excerpt
            left -= len(excerpt)
        if left > 0:
            runner.skip(f'only {size - left} bytes of {kind} are here')
        out.append((kind, text))
    return out


class Llama:
    def __init__(self, path, window, threads):
        import llama_cpp
        self.model = llama_cpp.Llama(str(path),
                                     n_ctx=window,
                                     n_batch=window,
                                     n_threads=threads,
                                     n_threads_batch=threads,
                                     logits_all=True,
                                     verbose=False)

    def logits(self, ids):
        self.model.reset()
        self.model.eval(ids)
        return self.model.scores[:len(ids)]


def llama_files(source, work):
    """Files that llama.cpp itself quantizes. Empty if its binding is missing."""
    try:
        import llama_cpp
    except ImportError as e:
        print(f'without llama.cpp: {e}', file=sys.stderr)
        return {}
    for name, ftype in LLAMA.items():
        path = work / f'{name}.gguf'
        if not path.exists():
            params = llama_cpp.llama_model_quantize_default_params()
            params.ftype, params.nthread = ftype, 2
            part = work / f'{name}.part'
            if llama_cpp.llama_model_quantize(str(source).encode(), str(part).encode(), params):
                sys.exit(f'llama.cpp does not quantize to {name}')
            part.rename(path)
    return {name: work / f'{name}.gguf' for name in LLAMA}


def apus_formats(work):
    out = {'int8': ['int8'], 'int4': ['int4']}
    for kind in ('code', 'prose'):
        text = work / f'calibration-{kind}.txt'
        text.write_bytes(parts.part(kind))
        out[f'int4, {kind} alone'] = ['int4', '--calibrate', text]
    return {
        **out, 'int8, rounded': ['int8', '--no-calibrate'],
        'int4, rounded': ['int4', '--no-calibrate']
    }


def formats(gguf, work, window, threads):
    """name -> (bytes, ids -> logits)."""
    source = work / 'f32.gguf'
    if not source.exists():
        off_grid.off_grid(gguf, work / 'f32.part')
        (work / 'f32.part').rename(source)
    reference = float_reference.load(source)
    out = {'float32': (source.stat().st_size, reference.logits)}
    for name, (weights, *more) in apus_formats(work).items():
        blob = work / f"{name.replace(' ', '-').replace(',', '')}.apus"
        if not blob.exists():
            runner.pack(source, blob, weights, *more)
        out[f'Apus {name}'] = (blob.stat().st_size, lambda ids, blob=blob: runner.logits(
            blob, ids, work / f'{os.getpid()}.f32', '--threads', threads))
    for name, path in llama_files(source, work).items():
        out[f'llama.cpp {name}'] = (path.stat().st_size, Llama(path, window, threads).logits)
    return out


def windows(work, size, window):
    """(kind, key, ids). The kinds alternate, so that a table of the first windows has both."""
    lists = [list(kind_windows(work, kind, text, window)) for kind, text in texts(size)]
    return [w for pair in itertools.zip_longest(*lists) for w in pair if w]


def kind_windows(work, kind, text, window):
    path = work / f'{kind}.txt'
    path.write_text(text, encoding='utf-8')
    ids = runner.tokenize(work / 'int8.apus', path)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    for at in range(0, len(ids) - window + 1, window):
        yield kind, f'{digest} {window} {at}', ids[at:at + window]


def evaluate(every, ids):
    """name -> for the window: KL of every position, number of agreements; number of tokens and
    negative log-likelihood of the second half."""
    out, half = {}, len(ids) // 2
    want = every['float32'][1](ids)
    for name, (_, logits) in every.items():
        kl, same, nll = compare.measure(want,
                                        want if name == 'float32' else logits(ids),
                                        ids,
                                        kind=np.float32)
        out[name] = [[round(float(x), 6) for x in kl],
                     int(same.sum()),
                     len(ids) - 1 - half,
                     float(nll[1, half:-1].sum())]
    return out


def table(rows):
    """rows: {(kind, name): what evaluate gives, summed over all windows}"""
    kinds, names = ['code', 'English'], list(dict.fromkeys(n for _, n in rows))
    lines = [
        '| | ' + ' | '.join(f'{k}: KL | 99 % | top-1 | perplexity' for k in kinds) + ' |',
        '|---|' + '---|' * 4 * len(kinds)
    ]
    for n in names:
        cells = []
        for k in kinds:
            kl, same, tokens, nll = rows.get((k, n), [[np.nan], 0, 1, np.nan])
            cells += [
                f'{np.mean(kl):.4f}', f'{np.percentile(kl, 99):.3f}',
                f'{100 * same / len(kl):.1f} %', f'{np.exp(nll / tokens):.3f}'
            ]
        lines.append(f'| {n} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def check(rows):
    """Sentences about regressions. The limits are the figures of docs/accuracy.md, with some room
    for texts that differ between systems."""
    bad = []
    for (kind, name), (kl, *_) in rows.items():
        most = {'Apus int8': 0.008, 'Apus int4': 0.2}.get(name, np.inf)
        if np.mean(kl) > most:
            bad.append(f'{name} on {kind}: KL {np.mean(kl):.4f}, at most {most} is expected')
    return bad


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('gguf', type=pathlib.Path, nargs='?')
    p.add_argument('--work', type=pathlib.Path, default=ROOT / 'build' / 'accuracy')
    p.add_argument('--bytes', type=int, default=100000)
    p.add_argument('--window', type=int, default=512)
    p.add_argument('--threads', type=int, default=2)
    p.add_argument('--only', help='code or English: two processes may share a folder')
    p.add_argument('--check', action='store_true', help='exit 1 where Apus is worse than it was')
    p.add_argument('--most', type=int, default=1 << 30, help='windows of each kind')
    a = p.parse_args()
    a.work.mkdir(parents=True, exist_ok=True)
    every = formats(a.gguf or runner.smollm2(), a.work, a.window, a.threads)
    log, done, rows, seen = a.work / 'windows.jsonl', {}, {}, {}
    if log.exists():
        done = {tuple(k): v for k, v in (json.loads(x) for x in log.read_text().splitlines())}
    for kind, key, ids in windows(a.work, a.bytes, a.window):
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > a.most or a.only not in (None, kind):
            continue
        known = (kind, key)
        if known not in done or set(done[known]) != set(every):
            done[known] = evaluate(every, ids)
            with open(log, 'a') as f:
                f.write(json.dumps([known, done[known]]) + '\n')
        for name, sums in done[known].items():
            old = rows.get((kind, name), [[], 0, 0, 0])
            rows[kind, name] = [x + y for x, y in zip(old, sums)]
    (a.work / f'{os.getpid()}.f32').unlink(missing_ok=True)
    print(table(rows))
    print(
        json.dumps({
            'windows': {
                k: min(n, a.most)
                for k, n in seen.items()
            },
            'window': a.window,
            'bytes': {
                n: b
                for n, (b, _) in every.items()
            }
        }))
    bad = check(rows) if a.check else []
    print('\n'.join(bad))
    sys.exit(bool(bad))


if __name__ == '__main__':
    main()
