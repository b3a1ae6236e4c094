"""The command line with --engine npu and the device model (tests/npu/sim, set by APUS_NPU_MODEL):
what it says if something is missing, and a pair that is split as AMD has published it, the target
on the NPU and its draft on the CPU.

Needs APUS_BUILD, APUS_COMMAND (apus linked with the model) and tests/cli on Python's path."""
import errno
import os
import resource
import unittest

import tiny_gguf
from cli_case import BUILD, PROMPT, ROOT, RUN, Case, Fixture, pack, path

ARRAYS = ('xdna1', 'xdna2')


def machine(settings):
    return dict(env=dict(os.environ, APUS_NPU_MODEL=settings))


def overlay(array, more=''):
    return ['--engine', 'npu', '--device', f'overlay={BUILD}/npu-model-{array}.xclbin{more}']


def lock_limit(megabytes):
    _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (megabytes << 20, hard))


class Missing(Case):
    """Every line names what is missing and how to mend it."""

    def probe(self, settings, **options):
        says = [
            e for e in self.object('probe', **machine(settings), **options)['engines']
            if e['engine'] == 'npu'
        ]
        self.assertEqual(len(says), 1)
        line = [
            x
            for x in self.ok('probe', **machine(settings), **options).stdout.decode().splitlines()
            if x.startswith('npu ')
        ]
        self.assertEqual(
            line, [('npu   available     ' if says[0]['available'] else 'npu   not available ') +
                   says[0]['says'][0]])
        return says[0]['available'], says[0]['says'][0]

    def test_probe_says_why_there_is_none(self):
        for error, *expect in [
            (errno.ENOENT, 'no /dev/accel/accel* belongs to the driver amdxdna',
             'Linux has it from 6.14 on: sudo modprobe amdxdna', 'linux-firmware', 'BIOS'),
            (errno.EACCES, '/dev/accel/accel* may not be opened', 'sudo usermod -aG render $USER'),
            (errno.EPERM, 'may not be opened', 'sudo usermod -aG render $USER'),
            (errno.ENOTTY, 'does not know a request', 'Linux 6.14 or newer'),
            (errno.EINVAL, 'does not know a request', 'Linux 6.14 or newer'),
            (errno.ENODEV, 'refuses to open the device', 'sudo dmesg | grep amdxdna', 'firmware',
             'linux-firmware'), (errno.ENOMEM, 'no memory left', '64 MB')
        ]:
            with self.subTest(error=errno.errorcode[error]):
                available, text = self.probe(f'open={error}')
                self.assertFalse(available)
                for part in expect:
                    self.assertIn(part, text)
                self.wrong(3, text, 'run', '-m', Fixture.model, '-p', 'x', *overlay('xdna2'),
                           **machine(f'open={error}'))

    def test_probe_says_what_is_needed(self):
        for array, name in zip(ARRAYS, ('XDNA NPU, 4 usable columns', 'XDNA2 NPU, 8 columns')):
            available, text = self.probe(array, preexec_fn=lock_limit(3))
            self.assertTrue(available)
            for part in (name, 'firmware 1.5.5.391', 'device model, not hardware',
                         'needs an overlay: --device overlay=FILE (docs/npu.md)',
                         'may lock 3 MB: larger weights are copied (ulimit -l unlimited)'):
                self.assertIn(part, text)

    def test_overlays(self):
        run = ['run', '-m', Fixture.model, '-p', 'x', '-n', '1']
        for settings, expect, device in [
            ('xdna2', 'which is --device overlay=FILE of the command line', []),
            ('xdna2', 'cannot be read: No such file',
             ['--device', 'overlay=' + path('absent')]),
            ('xdna2', 'they are counted from 0', overlay('xdna2', ',npu=1')[2:]),
            ('xdna2', 'they are counted from 0',
             overlay('xdna2', ',all,1')[2:]), ('xdna2', 'they are counted from 0',
                                              ['--device', 'npu=1,' + overlay('xdna2')[3]]),
            ('xdna2', 'its options are all, provider=kernel and provider=xrt',
             overlay('xdna2', ',al')[2:]),
            ('xdna2', 'no xclbin container', ['--device', f'overlay={ROOT}/README.md']),
            ('xdna2', 'one is for XDNA, another for XDNA2 (docs/npu.md)', overlay('xdna1')[2:]),
            ('xdna1', 'one is for XDNA, another for XDNA2 (docs/npu.md)', overlay('xdna2')[2:]),
            ('xdna2,poses', "the overlay is the device model's, and this is a device",
             overlay('xdna2')[2:])
        ]:
            with self.subTest(expect=expect):
                self.wrong(3, expect, *run, '--engine', 'npu', *device, **machine(settings))

    def test_firmware_that_takes_no_context(self):
        self.wrong(1, 'its firmware is older than the driver (linux-firmware)', 'run', '-m',
                   Fixture.model, '-p', 'x', *overlay('xdna2', ',all'),
                   **machine(f'context={errno.EINVAL}'))
        self.wrong(1, 'other programs hold its columns', 'run', '-m', Fixture.model, '-p', 'x',
                   *overlay('xdna2', ',all'), **machine(f'context={errno.ENOSPC}'))


class Pair(Case):
    def test_target_on_the_npu_draft_on_the_cpu(self):
        draft = path('draft.apus')
        tiny_gguf.write(path('draft.gguf'), seed=2)
        pack(path('draft.gguf'), draft)
        for sampling in ([], ['--temp', '0.8', '--seed', '3']):
            common = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 24, '--ignore-eos', *sampling]
            plain = self.object(*common, want=RUN)
            self.assertEqual(plain['engine'], 'cpu')
            for array in ARRAYS:
                for ways in ([], ['-d', draft, '--draft-tokens',
                                  3], ['-d', Fixture.model, '--draft-tokens', 7]):
                    with self.subTest(array=array, ways=ways, sampling=sampling):
                        o = self.object(*common, *overlay(array, ',all'), *ways, **machine(array))
                        self.assertEqual(o['engine'], 'npu')
                        for key in ('text', 'ids', 'logits_hash', 'stop_reason'):
                            self.assertEqual(o[key], plain[key])
                        if Fixture.model in ways:  # verified eight columns at a time
                            self.assertEqual(o['accepted'], o['proposed'])
                            self.assertGreater(o['tokens_per_round'], 5)

    def test_weights_that_may_not_be_locked(self):
        common = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 4, '--ignore-eos']
        r = self.ok(*common,
                    *overlay('xdna2', ',all'),
                    preexec_fn=lock_limit(0),
                    **machine('xdna2'))
        self.assertIn('ulimit -l unlimited', r.stderr.decode())
        self.assertEqual(r.stdout, self.ok(*common).stdout)
        r = self.ok(*common, *overlay('xdna2', ',all'), **machine('xdna2,lockable=1000000000'))
        self.assertNotIn('copies', r.stderr.decode())  # used where the file lies mapped
        self.assertEqual(r.stdout, self.ok(*common).stdout)

    def test_a_lost_npu_hands_over(self):
        common = ['run', '-m', Fixture.model, '-p', PROMPT, '-n', 4, '--ignore-eos']
        plain = self.object(*common)
        for fault, says, engine in (('fail=5:timeout', 'trying again with a new context', 'npu'),
                                    ('fail=5:gone', 'the NPU is not used any more', 'cpu')):
            r = self.ok(*common, *overlay('xdna1', ',all'), **machine('xdna1,' + fault))
            self.assertIn(says, r.stderr.decode())
            o = self.object(*common, *overlay('xdna1', ',all'), **machine('xdna1,' + fault))
            self.assertEqual((o['engine'], o['text'], o['logits_hash']),
                             (engine, plain['text'], plain['logits_hash']))
            # verifying
            o = self.object(*common, *overlay('xdna1', ',all'), '-d', Fixture.model,
                            '--draft-tokens', 3, **machine('xdna1,' + fault.replace('5', '12')))
            self.assertEqual((o['engine'], o['text'], o['logits_hash']),
                             (engine, plain['text'], plain['logits_hash']))
            self.assertGreater(o['accepted'], 0)


if __name__ == '__main__':
    unittest.main()
