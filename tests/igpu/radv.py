"""What AMD's Vulkan driver makes of the engine's pipelines, without the hardware: checks what
test_igpu_executables printed, and prints the table of docs/igpu.md.

  radv.py DUMP [DUMP...]     of one device each; the table is of the first

Mesa's no-op DRM shim pretends to RADV that there is a GPU (Debian unstable: mesa-drm-shim).
toolchain/test-long.sh vulkan does all of this:

  LD_PRELOAD=libamdgpu_noop_drm_shim.so AMDGPU_GPU_ID=phoenix test_igpu_executables RADV > DUMP

It checks that every pipeline is there, with waves of 64, without spills and scratch memory, with
packed dot products where they belong, and without instructions that contract or approximate
floats."""
import re
import sys

NAMES = [
    'embed', 'norm', 'heads', 'attend_max', 'attend_sum', 'attend_out', 'quantize', 'activation',
    'selftest'
]
TYPES = {1: 'W8', 2: 'W4', 3: 'W8+W4', 4: 'W5', 8: 'W6', 16: 'W4T'}
MATRIX = ['gemv_matrix %s' % TYPES[t] for t in (1, 2, 3, 16)]
GEMV = ['gemv %s, %d columns' % (t, 1 << b) for b in range(5) for t in TYPES.values()]
WITHOUT_MATRICES = ('REMBRANDT',)
WITH_DOT = ('attend_max', 'attend_sum', 'gemv', 'selftest')
CONTRACTED = re.compile(
    r'\bv_(?:dual_)?(?:fma|fmac|fmamk|fmaak|mad_f|mad_mix|mac_f|pk_fma|rsq|sqrt|exp_f|log_f|'
    r'div|dot2|sin|cos)[a-z0-9_]*'
)
RECIPROCAL = re.compile(r'\bv_(?:dual_)?rcp[a-z0-9_]*')
# They find a head's kv head by an integer division, which the driver computes exactly with floats.
INTEGER_DIVISION = ('attend_max', 'attend_sum')


class Pipeline:
    def __init__(self, text, name):
        constants = [int(c) for c in text.split('\n', 1)[0].split()]
        self.name = name
        if constants:  # of gemv.comp and gemv_matrix.comp, whose third one is the number of waves
            self.name = 'gemv_matrix %s' % TYPES[constants[1]] if constants[
                2] else 'gemv %s, %d columns' % (TYPES[constants[1]], constants[0])
        self.kind = self.name.split()[0]
        self.subgroup = int(re.search(r'^subgroup: (\d+)', text, flags=re.M).group(1))
        self.statistics = {
            k: int(v)
            for k, v in re.findall(r'^statistic: (.+?): (\d+)$', text, flags=re.M)
        }
        parts = dict(p.split('\n', 1) for p in text.split('\nrepresentation: ')[1:])
        self.code = parts.get('Assembly', '')
        self.matrices = len(re.findall(r'\bv_wmma_i32_16x16x16_iu8', self.code))
        self.dots = len(re.findall(r'\bv_dot4c?_[iu]32_i?u?8', self.code))

    def faults(self):
        for key in ('Spilled SGPRs', 'Spilled VGPRs', 'Scratch size'):
            if self.statistics[key]:
                yield '%s is %d' % (key, self.statistics[key])
        found = set(CONTRACTED.findall(self.code))
        if self.name not in INTEGER_DIVISION:
            found |= set(RECIPROCAL.findall(self.code))
        if found:
            yield 'uses ' + ', '.join(sorted(found))
        if self.kind in WITH_DOT and not self.dots:
            yield 'has no packed dot product'
        if self.kind == 'gemv_matrix' and not self.matrices:
            yield 'has no matrix instruction'
        if self.subgroup != 64:
            yield 'has waves of %d' % self.subgroup
        if 's_endpgm' not in self.code:
            yield 'no machine code was printed'

    def row(self):
        s = self.statistics
        return '| %s | %d | %d | %d | %d | %d | %s |' % (
            self.name, self.subgroup, s['VGPRs'], s['LDS size'], s['Instructions'],
            s['Subgroups per SIMD'],
            self.dots or '%d matrices' % self.matrices if self.dots or self.matrices else '')


def read(path):
    device, *parts = open(path, errors='replace').read().split('\npipeline:')
    plain = iter(NAMES)
    return device.strip().splitlines()[-1], [
        Pipeline(p, None if p.split('\n', 1)[0].strip() else next(plain, '?')) for p in parts
    ]


def main(paths):
    failed = 0
    for path in paths:
        device, pipelines = read(path)
        faults = ['%s: %s' % (p.name, f) for p in pipelines for f in p.faults()]
        expected = NAMES + GEMV + (MATRIX if not any(old in device
                                                     for old in WITHOUT_MATRICES) else [])
        if sorted(p.name for p in pipelines) != sorted(expected):
            faults.append('%d pipelines were printed, %d were expected' %
                          (len(pipelines), len(expected)))
        for fault in faults:
            print('FAIL %s: %s' % (device, fault))
        failed += len(faults)
        if path == paths[0]:
            print(
                device +
                '\n\n| shader | wave | VGPRs | LDS bytes | instructions | waves per SIMD | packed '
                'dot products |\n|---|---|---|---|---|---|---|'
            )
            print('\n'.join(p.row() for p in pipelines))
        print('%s: %d pipelines, %d faults' % (device, len(pipelines), len(faults)))
    return 1 if failed or not paths else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
