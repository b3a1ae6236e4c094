"""What is no file: pipes where files are expected, streams that are closed, and what reaches a
terminal."""

import json
import os
import pathlib
import pty
import struct
import subprocess
import unittest

import tiny_gguf
from cli_case import COMMAND, Fixture, apus
from folder_case import PACK, SECONDS, Folder, xxh64


class Pipes(Folder):
    """None is waited for where a file is expected."""

    def checkpoint(self):
        folder = self.at / 'checkpoint'
        folder.mkdir()
        for name in ('config.json', 'tokenizer.json', 'model.safetensors'):
            (folder / name).write_bytes(CHECKPOINT[name])
        return folder

    def test_in_the_packers_way(self):
        names = [
            'config.json',
            'generation_config.json',
            'tokenizer.json',
            'tokenizer_config.json',
            'model.safetensors',
        ]
        folder = self.checkpoint()
        self.packed('-q', source=folder)  # there is a note on the ids of its tokenizer.json
        for name in names:
            kept = (folder / name).read_bytes() if (folder / name).exists() else None
            (folder / name).unlink(missing_ok=True)
            os.mkfifo(folder / name)
            self.assertIn(name, self.refused('not a regular file', source=folder))
            (folder / name).unlink()
            if kept is not None:
                (folder / name).write_bytes(kept)
        (folder / 'tokenizer.json').unlink()
        for name in ('tokenizer.model', 'tekken.json'):
            os.mkfifo(folder / name)
            self.assertIn(name, self.refused('not a regular file', source=folder))
            (folder / name).unlink()
        (folder / 'model.safetensors').unlink()
        index = folder / 'model.safetensors.index.json'
        os.mkfifo(index)
        self.refused('not a regular file', source=folder)
        index.unlink()
        index.write_text('{"weight_map": {"a": "one.safetensors"}}')
        os.mkfifo(folder / 'one.safetensors')
        self.refused('not a regular file', source=folder)
        pipe = self.at / 'pipe'
        os.mkfifo(pipe)
        self.refused('not a regular file', source=pipe)
        r = subprocess.run(
            [PACK, str(self.source), '-o', str(self.out), '--calibrate', str(pipe)],
            capture_output=True,
            timeout=SECONDS,
        )
        self.assertEqual(r.returncode, 1)

    def test_in_the_programs_way(self):
        pipe = self.at / 'pipe'
        os.mkfifo(pipe)
        self.wrong(1, 'regular file', 'run', '-m', pipe, '-p', 'the')
        self.wrong(1, 'regular file', 'run', '-m', Fixture.model, '-d', pipe, '-p', 'the')
        self.wrong(
            1,
            'regular file',
            'compare',
            '-m',
            Fixture.model,
            '--reference',
            pipe,
            '-f',
            Fixture.gguf,
        )
        writer = subprocess.Popen(
            ['sh', '-c', f'printf "the quick" > {pipe}']
        )  # here one is welcome
        self.assertEqual(
            self.object('tokenize', '-m', Fixture.model, '-f', pipe),
            self.object('tokenize', '-m', Fixture.model, '-p', 'the quick'),
        )
        writer.wait()


class Closed(Folder):
    def shell(self, command):
        return subprocess.run(['sh', '-c', command], capture_output=True, timeout=SECONDS)

    def test_standard_input(self):
        """The first file that is opened must not take its place."""
        for text in ('run -n 1 -f -', 'tokenize -f -', 'detokenize --ids -'):
            r = self.shell(f'{COMMAND} {text} -m {Fixture.model} <&-')
            self.assertEqual((r.returncode, r.stdout), (1, b''), r.stderr)
            self.assertIn(b'standard input is closed', r.stderr)
        self.assertEqual(
            self.shell(f'{COMMAND} tokenize -m {Fixture.model} -p the <&-').returncode, 0
        )

    def test_standard_output_and_error(self):
        r = self.shell(f'{COMMAND} info {Fixture.model} >&-')
        self.assertEqual(r.returncode, 1)
        self.assertIn(b'cannot write to standard output', r.stderr)
        for closed in ('>&-', '2>&-', '<&- >&- 2>&-'):
            r = self.shell(f'{PACK} {self.source} -o {self.out} --no-calibrate -q {closed}')
            self.assertEqual(r.returncode, 0, closed)
            self.assertEqual(self.out.read_bytes()[:4], b'APUS')
            self.ok('info', self.out, '--verify')
            self.shell(
                f'{PACK} {self.at}/absent -o {self.out} {closed}'
            )  # whose sentence goes nowhere, and not into a file
            self.ok('info', self.out, '--verify')


# A name with everything in it: a line that looks like the program's, colours, a C1 control, a
# direction.
EVIL = (
    'x\nhash          0000000000000000, every section verified\n'
    '\x1b[31mred\x9b2J\u202egnp.exe\u2066'
)
SPELLED = (
    r'x\nhash          0000000000000000, every section verified\n'
    r'\x1b[31mred\u009b2J\u202egnp.exe\u2066'
)


class Terminal(Folder):
    def on_terminal(self, *command):
        master, slave = pty.openpty()
        child = subprocess.Popen(
            [COMMAND, *map(str, command)],
            stdout=slave,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        os.close(slave)
        data = b''
        try:
            while piece := os.read(master, 65536):
                data += piece
        except OSError:
            pass  # the terminal's end
        child.stderr.close()
        self.assertEqual(child.wait(), 0)
        os.close(master)
        return data.replace(b'\r\n', b'\n')

    def test_names_cannot_say_what_the_program_says(self):
        source = self.at / 'evil.gguf'
        data = pathlib.Path(Fixture.gguf).read_bytes()
        name = tiny_gguf.entry('general.name', tiny_gguf.STRING, 'tiny')
        longer = tiny_gguf.entry('general.name', tiny_gguf.STRING, EVIL)
        self.assertEqual(data.count(name), 1)
        head = data.index(name)
        # The data begins at a multiple of 32: what that takes goes into a key that does not matter.
        filler = tiny_gguf.entry(
            'x',
            tiny_gguf.STRING,
            'y'
            * (-(len(longer) - len(name) + len(tiny_gguf.entry('x', tiny_gguf.STRING, ''))) % 32),
        )
        pairs = struct.unpack_from('<Q', data, 16)[0]
        source.write_bytes(
            data[:16]
            + struct.pack('<Q', pairs + 1)
            + data[24:head]
            + longer
            + filler
            + data[head + len(name) :]
        )
        said = self.packed(source=source)
        self.assertIn(SPELLED, said)
        self.assertEqual(said.count('\n'), 2)  # and that it was not calibrated
        # A blob whose name was not cleaned by the packer.
        blob = bytearray(self.out.read_bytes())
        offset, size = struct.unpack_from('<QQ', blob, 32 + 6 * 24)
        text = bytes(blob[offset : offset + size])
        spelled = SPELLED.encode()
        at = text.index(spelled)
        raw = EVIL.encode()
        blob[offset + at : offset + at + len(spelled)] = raw + b'.' * (len(spelled) - len(raw))
        blob[32 + 6 * 24 + 16 : 32 + 6 * 24 + 24] = struct.pack(
            '<Q', xxh64(bytes(blob[offset : offset + size]))
        )
        blob[24:32] = struct.pack('<Q', xxh64(bytes(blob[32 : 32 + 8 * 24])))
        self.out.write_bytes(blob)
        shown = self.ok('info', self.out).stdout.decode()
        self.assertIn(SPELLED + '.', shown)
        self.assertEqual(
            sum('every section verified' in line for line in shown.split('\n')), 1
        )  # in the name's own line
        self.assertTrue(shown.isascii())
        self.assertEqual(self.object('info', self.out)['name'].rstrip('.'), EVIL)
        self.assertTrue(self.on_terminal('info', self.out, '--json').isascii())
        r = apus('run', '-m', self.at / '\x1b[2J\x9b\u202e', '-p', 'x')
        self.assertIn(r'\x1b[2J\u009b\u202e', r.stderr.decode())

    def test_what_a_model_says(self):
        ids = [tiny_gguf.FIRST_BYTE + b for b in 'a\x1b[2J\t\r\n\u0085\u202eé\x07\n'.encode()]
        text = ','.join(map(str, ids))
        shown = 'a\\x1b[2J\t\r\n\\u0085\\u202eé\\x07\n'
        self.assertEqual(
            self.ok('detokenize', '-m', Fixture.model, '--ids', text).stdout,
            'a\x1b[2J\t\r\n\u0085\u202eé\x07\n'.encode(),
        )
        self.assertEqual(
            self.on_terminal('detokenize', '-m', Fixture.model, '--ids', text)
            .decode()
            .rstrip('\n'),
            shown.rstrip('\n'),
        )
        self.assertIn(
            b'\x1b[2J', self.on_terminal('detokenize', '--raw', '-m', Fixture.model, '--ids', text)
        )


def checkpoint():
    """A Hugging Face directory in memory, as small as they come."""
    dim, ffn, vocab = 64, 64, 300
    letters = [chr(c) for c in [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]]
    letters += [chr(0x100 + i) for i in range(256 - len(letters))]
    config = dict(
        architectures=['LlamaForCausalLM'],
        model_type='llama',
        hidden_size=dim,
        intermediate_size=ffn,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=vocab,
        max_position_embeddings=128,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
        hidden_act='silu',
        tie_word_embeddings=True,
        torch_dtype='float32',
    )
    pre = dict(type='ByteLevel', add_prefix_space=False, trim_offsets=True, use_regex=True)
    tokenizer = dict(
        version='1.0',
        added_tokens=[
            dict(
                id=299,
                content='<|end|>',
                special=True,
                single_word=False,
                lstrip=False,
                rstrip=False,
                normalized=False,
            )
        ],
        normalizer=None,
        pre_tokenizer=pre,
        post_processor=None,
        decoder=pre,
        model=dict(
            type='BPE',
            dropout=None,
            unk_token=None,
            byte_fallback=False,
            vocab={c: i for i, c in enumerate(letters)},
            merges=[],
        ),
    )
    shapes = {'model.embed_tokens.weight': [vocab, dim], 'model.norm.weight': [dim]}
    for role in ('q', 'k', 'v', 'o'):
        shapes[f'model.layers.0.self_attn.{role}_proj.weight'] = [dim, dim]
    for role, shape in {'gate': [ffn, dim], 'up': [ffn, dim], 'down': [dim, ffn]}.items():
        shapes[f'model.layers.0.mlp.{role}_proj.weight'] = shape
    for norm in ('input_layernorm', 'post_attention_layernorm'):
        shapes[f'model.layers.0.{norm}.weight'] = [dim]
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name] = dict(dtype='F32', shape=shape, data_offsets=[at, at + size])
        at += size
    text = json.dumps(header).encode()
    values = b''.join(
        struct.pack('<f', ((i * 2654435761) % 1000 - 500) / 4000 or 0.01) for i in range(at // 4)
    )
    return {
        'config.json': json.dumps(config).encode(),
        'tokenizer.json': json.dumps(tokenizer).encode(),
        'model.safetensors': struct.pack('<Q', len(text)) + text + values,
    }


CHECKPOINT = checkpoint()

if __name__ == '__main__':
    unittest.main()
