#!/usr/bin/env python3
"""Every family against transformers itself: a small random model of its class, saved by it, packed
to int8 and compared with its own float forward pass.

    families_test.py [ROW ...]      rows of rows.py; without one all

Of each row: KL to the float model (where there are experts, to it with the packed model's choices
of them, which routes.py compares by themselves) at most 1.5 times that of the Llama row of the same
size; the same bits as docs/numerics.md in numpy (tests/oracle/numerics.py); the id that the float
model writes, of 32 that it continues the text with, wherever its margin over the next is beyond
what int8 can move (MARGIN times the root mean square of the logits' differences; at least a quarter
of the 32 have such a margin); the same blob from the RoPE keys that transformers wrote before its
version 5; the same matrices, and the same table of RoPE to the last digits of its float32 keys,
from a GGUF file as llama.cpp's converter writes it; and where calibration computes what other
families do not have, a KL at 4 bits that it makes smaller. Where experts come as 4-bit floats, all
files of them give the blob of their values."""
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
for folder in ('tests/oracle', 'weights/tools'):
    sys.path.insert(0, str(HERE.parent.parent / folder))
import runner  # noqa: E402

runner.need('numpy', 'torch', 'transformers', 'tokenizers', 'safetensors', 'gguf')
import numpy as np  # noqa: E402
import safetensors.numpy  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
import as_gguf  # noqa: E402
import coded  # noqa: E402
import compare  # noqa: E402
import numerics  # noqa: E402
import routes  # noqa: E402
import rows  # noqa: E402
import tiny_tokenizers  # noqa: E402

WRITES = 32  # ids
UNSEEN = HERE.parent.parent / 'LICENSE'  # English that no calibration has seen
WORSE, MARGIN = 1.5, 5
SECTIONS = {'LAYERS': 1, 'TENSORS': 2, 'ROWS': 3, 'ROPE': 4, 'WEIGHTS': 7}


# --------------------------------------------------------------------------------------------------
# the model
INPUTS_AS_ROWS = ('experts.gate_up_proj', 'experts.down_proj')  # gpt-oss


def size_of(name, p, tied):
    """The standard deviation of a matrix's weights: activations like a real model's, attention
    neither flat nor one-hot, logits a few units wide."""
    if 'embed_tokens' in name:
        return 3 / p.shape[1]**0.5 if tied else 1
    scores = any(part in name for part in ('q_proj', 'k_proj', 'qkv'))
    inputs = p.shape[-2] if name.endswith(INPUTS_AS_ROWS) else p.shape[-1]
    return (3 if 'lm_head' in name else 1.5 if scores else 1) / inputs**0.5


def fill(model, row):
    torch.manual_seed(1)
    tied = row.tied()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith('bias'):
                p.normal_(0, 0.3)
            elif name.endswith('sinks'):
                p.normal_(0, 2)
            elif p.ndim == 1:
                p.uniform_(0.5, 1.5)
            else:
                p.normal_(0, size_of(name, p, tied))
                if 'qkv' in name:  # the last rows are V's
                    c = model.config
                    p[-c.num_key_value_heads * c.hidden_size // c.num_attention_heads:] /= 1.5
            for part, gain in row.gain.items():
                if part in name:
                    p.mul_(gain)


def make(row):
    config = getattr(transformers, row.family + 'Config')(**{**rows.SMALL, **row.config})
    config._attn_implementation = 'eager'
    kind = row.family + 'ForCausalLM'
    if row.inside:
        kind = row.inside + 'ForConditionalGeneration'
        config = getattr(transformers, row.inside + 'Config')(text_config=config, **row.around)
    model = getattr(transformers, kind)(config).float().eval()
    fill(model, row)
    return model


def float_text(model, row):
    """ids, and the float model's logits for them [positions][vocab]."""
    ids = torch.randint(3, rows.SMALL['vocab_size'], (1, row.positions),
                        generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        for at in range(row.positions - WRITES, row.positions if row.greedy else 0):
            ids[0, at] = model(ids[:, :at], use_cache=False).logits[0, -1].argmax()
        return ids[0].tolist(), model(ids, use_cache=False).logits[0].numpy()


# --------------------------------------------------------------------------------------------------
# its files
def save(model, folder):
    model.save_pretrained(folder)
    text, _ = tiny_tokenizers.bpe_json('smollm', ['<s>', '</s>'])
    (folder / 'tokenizer.json').write_text(text, encoding='utf-8')


def save_old(new, folder):
    """The same with the keys of transformers 4. Whether something is old is seen by the name of the
    type of weights."""
    folder.mkdir()
    for path in new.iterdir():
        (folder / path.name).symlink_to(path)
    c = json.loads((new / 'config.json').read_text())
    inner = c.get('text_config', c)
    r = inner['rope_parameters']
    if c['model_type'] == 'olmo3':  # the scaling was of all layers' keys, and meant some
        del inner['rope_parameters']
        inner['rope_scaling'] = r['full_attention']
        inner['rope_theta'] = inner['rope_scaling'].pop('rope_theta')
    elif 'sliding_attention' not in r:  # two tables have had no other keys
        del inner['rope_parameters']
        inner['rope_theta'] = r.pop('rope_theta')
        if 'partial_rotary_factor' in r:
            inner['partial_rotary_factor'] = r.pop('partial_rotary_factor')
        r['type'] = r['rope_type']
        inner['rope_scaling'] = r if r['rope_type'] != 'default' else None
    c['torch_dtype'] = c.pop('dtype', 'float32')
    (folder / 'config.json').unlink()
    (folder / 'config.json').write_text(json.dumps(c))


def hashes(blob):
    head = np.fromfile(blob, '<u8', 4 + 3 * 8)[4:].reshape(8, 3)
    return {name: int(head[i, 2]) for name, i in SECTIONS.items()}


def different(one, other):
    a, b = hashes(one), hashes(other)
    return [name for name in SECTIONS if a[name] != b[name]]


# --------------------------------------------------------------------------------------------------
# what is checked
def bits_differ(want, got):
    count = int((want.view(np.uint32) != got.view(np.uint32)).sum())
    return [f'{count} of {got.size} logits are not those of docs/numerics.md'] if count else []


def text_differs(want, got, ids, figures):
    """The last ids, where the float model's margin allows to tell. Where other experts are used
    than the float model would choose, they may be others."""
    off = got - want
    off -= off.mean(axis=1, keepdims=True)
    bound = MARGIN * float(np.sqrt(np.mean(off * off)))
    bad, judged = [], 0
    for at in range(len(ids) - WRITES, len(ids)):
        best = np.sort(want[at - 1])[-2:]
        if best[1] - best[0] <= bound or int(want[at - 1].argmax()) != ids[at]:
            continue
        judged += 1
        if int(got[at - 1].argmax()) != ids[at]:
            bad.append(f'id {at}: {int(got[at - 1].argmax())} where the float model has {ids[at]}')
    figures['ids judged'] = f'{judged}/{WRITES}'
    if judged < WRITES // 4:
        bad.append(f'only {judged} of {WRITES} ids have a margin beyond {bound:.3f}')
    return bad


def same_but_rope(one, other):
    """Sections that differ; a table of RoPE from float32 keys is nearly the same."""
    changed = different(one, other)
    if 'ROPE' in changed:
        a, b = numerics.Blob(one).rope, numerics.Blob(other).rope
        if a.shape == b.shape and np.abs(a - b).max() < 2e-5:
            changed.remove('ROPE')
    return changed


def coded_files(row, model, new, folder):
    """The same blob from experts of 4-bit floats as from their values."""
    plain = ('int8', '--no-calibrate', *row.pack)
    weights = coded.on_grid(safetensors.numpy.load_file(new / 'model.safetensors'))
    blob = runner.pack(coded.directory(folder / 'values', new, weights, False),
                       folder / 'values.apus', *plain)
    made = runner.pack(coded.directory(folder / 'codes', new, weights, True),
                       folder / 'codes.apus', *plain)
    as_gguf.write(folder / 'codes.gguf', row.gguf, model.config, weights, coded=True)
    other = runner.pack(folder / 'codes.gguf', folder / 'codes2.apus', *plain)
    return [f'4-bit floats give other sections: {changed}'
            for changed in (different(blob, made), same_but_rope(blob, other)) if changed]


def other_files(row, model, new, blob, folder):
    """The same blob from old keys and from GGUF."""
    bad = []
    old = folder / 'old'
    save_old(new, old)
    changed = different(
        blob, runner.pack(old, folder / 'old.apus', 'int8', '--no-calibrate', *row.pack))
    if changed:
        bad.append(f'old keys give other sections: {changed}')
    if not row.gguf:
        return bad
    weights = safetensors.numpy.load_file(new / 'model.safetensors')
    config = getattr(model.config, 'text_config', model.config)
    as_gguf.write(folder / 'm.gguf', row.gguf, config, weights)
    made = runner.pack(folder / 'm.gguf', folder / 'gguf.apus', 'int8', '--no-calibrate', *row.pack)
    changed = same_but_rope(blob, made)
    if row.coded:
        bad += coded_files(row, model, new, folder)
    return bad + ([f'GGUF gives other sections: {changed}'] if changed else [])


def calibration_hurts(model, count, new, folder, figures):
    """At 4 bits, where calibration that computes another model than this one shows. The ids are a
    text, as the calibration's are: an expert is calibrated by what came to it, and random ids take
    other ways."""
    text = tokenizers.Tokenizer.from_file(str(new / 'tokenizer.json'))
    ids, kl = text.encode(UNSEEN.read_text(encoding='utf-8')).ids[:count], {}
    for effort in (('--no-calibrate', ), ('--effort', 'full')):
        blob = runner.pack(new, folder / 'int4.apus', 'int4', *effort)
        got, seen = routes.of_contract(blob, ids)
        kl[effort[-1]] = compare.compare(routes.followed(model, ids, seen)[0], got)['kl']
    figures['at 4 bits'] = f'{kl["full"] / kl["--no-calibrate"]:.2f} by calibration'
    return [] if kl['full'] <= 0.9 * kl['--no-calibrate'] else [
        f'int4: KL {kl["full"]:.4f} calibrated and {kl["--no-calibrate"]:.4f} not; nine tenths of '
        'that at most are expected'
    ]


def check(row, folder, known):
    """Sentences of what is wrong; known: the KL of rows before."""
    model = make(row)
    new, figures = folder / 'new', {}
    save(model, new)
    blob = runner.pack(new, folder / 'new.apus', 'int8', '--no-calibrate', *row.pack)
    ids, want = float_text(model, row)
    got = runner.logits(blob, ids, folder / 'l.f32')
    contract, seen = routes.of_contract(blob, ids)
    bad = bits_differ(contract, got)
    if seen:
        want, turned, why = routes.followed(model, ids, seen)
        choices = sum(len(chosen) for chosen, _ in seen)
        figures['other experts'] = f'{turned}/{choices}'
        bad += why
    known[row.name] = kl = compare.compare(want, got)['kl']
    if row.greedy:
        bad += text_differs(want, got, ids, figures)
    if kl > WORSE * known[row.like]:
        bad.append(f'KL {kl:.4f}, at most {WORSE} times {known[row.like]:.4f} is expected')
    bad += other_files(row, model, new, blob, folder)
    if row.calibrated:
        bad += calibration_hurts(model, row.positions, new, folder, figures)
    print(f'{"FAIL" if bad else "ok  "} {row.name}: KL {kl:.4f} ({kl / known[row.like]:.2f} of '
          f'{row.like})' + ''.join(f', {what} {n}' for what, n in figures.items()) +
          ''.join(f'\n     {b}' for b in bad),
          flush=True)
    return bad


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    known, bad = {}, 0
    needed = {r.like for r in rows.ROWS if r.name in wanted} | set(wanted)
    for row in rows.ROWS:
        if wanted and row.name not in needed:
            continue
        with tempfile.TemporaryDirectory() as tmp:
            bad += bool(check(row, pathlib.Path(tmp), known))
    sys.exit(bad > 0)


main()
