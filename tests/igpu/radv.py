"""What AMD's Vulkan driver makes of the shaders, without the hardware: reads what RADV prints while the engine opens, checks it and prints
docs/igpu.md's table.

  radv.py DUMP TYPES...      TYPES: of the GEMV pipelines for each number of columns, in order: W8, W4, W8+W4

Mesa's no-op DRM shim makes RADV believe in a GPU (Debian unstable: mesa-drm-shim). Results mean nothing there, so opening a model ends with
the self-test's refusal, after every pipeline was built:

  LD_PRELOAD=libamdgpu_noop_drm_shim.so AMDGPU_GPU_ID=phoenix RADV_DEBUG=nocache,shaders,shaderstats \\
      apus run -m MODEL -p x -n 1 --engine igpu --device RADV > DUMP 2>&1

Checked: no spills, no scratch, packed dot products where they belong, and no instruction that contracts or approximates floats."""
import re
import sys

NAMES = ['embed', 'norm', 'heads', 'attend_max', 'attend_sum', 'attend_out', 'quantize', 'silu', 'selftest']
WITH_DOT = ('attend_max', 'attend_sum', 'gemv')
CONTRACTED = r'\bv_(?:fma|fmac|fmamk|fmaak|mad_f32|mac_f32|pk_fma|rsq|sqrt|exp|log|div)[a-z0-9_]*'
RECIPROCAL = r'\bv_rcp[a-z0-9_]*'
INTEGER_DIVISION = ('attend_max', 'attend_sum')  # a head's kv head: an integer division, which the driver makes exactly of floats


def main(dump, types):
    names = NAMES + ['gemv %s, %d columns' % (t, 1 << b) for b in range(5) for t in types]
    text = open(dump, errors='replace').read()
    parts = text.split('*** SHADER STATS ***')
    failed = 0

    def wrong(line):
        nonlocal failed
        failed += 1
        print('FAIL ' + line)

    if len(parts) - 1 != len(names):
        wrong('%d shaders were printed, %d were expected' % (len(parts) - 1, len(names)))
    print('| shader | VGPRs | LDS bytes | instructions | waves per SIMD | packed dot products |\n|---|---|---|---|---|---|')
    for name, before, after in zip(names, parts, parts[1:]):
        stat = lambda key: int(re.search(r'^%s: (\d+)' % key, after, flags=re.M).group(1))
        code = before[before.rfind('shader: MESA_SHADER_COMPUTE'):]
        dots = len(re.findall(r'\bv_dot4_[iu]32_i?u8', code))
        print('| %s | %d | %d | %d | %d | %s |' % (name, stat('VGPRs'), stat('LDS size'), stat('Instructions'), stat('Subgroups per SIMD'), dots or ''))
        for key in ('Spilled SGPRs', 'Spilled VGPRs', 'Scratch size'):
            if stat(key):
                wrong('%s: %s is %d' % (name, key, stat(key)))
        found = re.findall(CONTRACTED, code)
        if name not in INTEGER_DIVISION:
            found += re.findall(RECIPROCAL, code)
        if found:
            wrong('%s uses %s' % (name, ', '.join(sorted(set(found)))))
        if name.split()[0] in WITH_DOT and not dots:
            wrong('%s has no packed dot product' % name)
        if 's_endpgm' not in code:
            wrong('%s: no machine code was printed' % name)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2:]))
