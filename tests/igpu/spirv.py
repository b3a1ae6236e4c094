"""Checks that the shaders' arithmetic keeps the numeric contract. It reads the SPIR-V, because a
missing `precise` has no effect on a device that contracts nothing.

  spirv.py FOLDER      the folder of the .spv files

Every float addition, subtraction and multiplication must have NoContraction. There must be no
division, no matrices but of signed integers, no elementary function of the driver, no float
arithmetic of subgroups and no saturating dot product, and every entry point must ask for rounding
to nearest. spirv-val also checks the files, if it is installed. The shader that is checked in as
SPIR-V must have been made from the sources beside it."""
import hashlib
import pathlib
import shutil
import struct
import subprocess
import sys

MAGIC, NO_CONTRACTION, ROUNDING_RTE, COOPERATIVE_MATRIX = 0x07230203, 42, 4462, 6022
OP_EXT_INST, OP_EXECUTION_MODE, OP_DECORATE, OP_ENTRY_POINT = 12, 16, 71, 15
OP_MATRIX_MUL_ADD, SIGNED = 4459, 15  # signed A, B, C and result; 16 would saturate
ARITHMETIC = {129: 'FAdd', 131: 'FSub', 133: 'FMul'}
FORBIDDEN = {
    136: 'FDiv',
    140: 'FRem',
    141: 'FMod',
    142: 'VectorTimesScalar',
    143: 'MatrixTimesScalar',
    144: 'VectorTimesMatrix',
    145: 'MatrixTimesVector',
    146: 'MatrixTimesMatrix',
    147: 'OuterProduct',
    148: 'Dot',
    350: 'GroupNonUniformFAdd',
    352: 'GroupNonUniformFMul',
    355: 'GroupNonUniformFMin',
    358: 'GroupNonUniformFMax',
    265: 'GroupFAdd',
    266: 'GroupFMin',
    269: 'GroupFMax',
    4453: 'SDotAccSat',
    4454: 'UDotAccSat',
    4455: 'SUDotAccSat'
}
# The functions of GLSL.std.450 that have integers only: all others have no stated rounding.
INTEGER = {
    5: 'SAbs',
    38: 'UMin',
    39: 'SMin',
    41: 'UMax',
    42: 'SMax',
    44: 'UClamp',
    45: 'SClamp',
    73: 'FindILsb',
    74: 'FindSMsb',
    75: 'FindUMsb'
}


def instructions(words):
    at = 5
    while at < len(words):
        count, op = words[at] >> 16, words[at] & 0xffff
        if not count:
            raise ValueError('an instruction of no words')
        yield op, words[at + 1:at + count]
        at += count


def faults(words):
    """What is wrong with a module, and how many float operations were checked."""
    if words[0] != MAGIC:
        return ['no SPIR-V'], 0
    exact, found, wrong, entries, rounding = set(), [], [], set(), set()
    for op, args in instructions(words):
        if op == OP_DECORATE and args[1] == NO_CONTRACTION:
            exact.add(args[0])
        elif op == OP_ENTRY_POINT:
            entries.add(args[1])
        elif op == OP_EXECUTION_MODE and args[1] == ROUNDING_RTE and args[2] == 32:
            rounding.add(args[0])
        elif op in ARITHMETIC:
            found.append((args[1], ARITHMETIC[op]))
        elif op == OP_MATRIX_MUL_ADD and (len(args) < 6 or args[5] != SIGNED):
            wrong.append('a cooperative matrix is not of signed integers, or saturates')
        elif op in FORBIDDEN:
            wrong.append(FORBIDDEN[op] + ' is used')
        elif op == OP_EXT_INST and args[3] not in INTEGER:
            wrong.append('function %d of GLSL.std.450 is used' % args[3])
    wrong += [
        '%s %%%d may be contracted' % (name, result) for result, name in found
        if result not in exact
    ]
    if not entries or entries != rounding:
        wrong.append('an entry point does not ask for rounding to nearest')
    return wrong, len(found)


def without_one_decoration(words):
    """The same module without the last NoContraction of a float operation, which the check must
    notice."""
    results = {args[1] for op, args in instructions(words) if op in ARITHMETIC}
    spans, at = [], 5
    while at < len(words):
        count = words[at] >> 16
        if words[at] & 0xffff == OP_DECORATE and words[at +
                                                       2] == NO_CONTRACTION and words[at +
                                                                                      1] in results:
            spans.append((at, at + count))
        at += count
    if not spans:
        return None
    begin, end = spans[-1]
    return words[:begin] + words[end:]


def stale():
    """Names of the files that have changed since the checked-in shader was made from them."""
    shaders = pathlib.Path(__file__).resolve().parents[2] / 'igpu' / 'shaders'
    lines = [line.split() for line in (shaders / 'gemv_matrix.sha256').read_text().splitlines()]
    return [
        name for hash, name in lines
        if hashlib.sha256((shaders / name).read_bytes()).hexdigest() != hash
    ]


def main(folder):
    for name in stale():
        print(
            'FAIL: igpu/shaders/%s has changed since gemv_matrix.spv was made: sh '
            'toolchain/matrix_shader.sh make'
            % name)
        return 1
    files = sorted(pathlib.Path(folder).glob('*.spv'))
    validator, failed, total, seen = shutil.which('spirv-val'), 0, 0, 0
    for file in files:
        data = file.read_bytes()
        words = list(struct.unpack('<%dI' % (len(data) // 4), data))
        wrong, count = faults(words)
        total += count
        changed = without_one_decoration(words)
        if changed:
            seen += 1
            if not faults(changed)[0]:
                wrong.append('a missing NoContraction goes unnoticed')
        if validator:
            r = subprocess.run([validator, '--target-env', 'vulkan1.2', file],
                               capture_output=True,
                               text=True)
            unknown = 'Invalid capability operand: %d' % COOPERATIVE_MATRIX
            if r.returncode and unknown in r.stdout + r.stderr:
                print('%s: this spirv-val is older than cooperative matrices' % file.name)
            elif r.returncode:
                wrong.append('spirv-val: ' + (r.stdout + r.stderr).strip())
        for text in wrong:
            print('FAIL %s: %s' % (file.name, text))
        failed += len(wrong)
    print('%d shaders, %d float operations, spirv-val %s' %
          (len(files), total, 'ran' if validator else 'is not installed'))
    if len(files) < 10 or total < 50 or seen < 5:
        print('FAIL: that is too few to be all')
        return 1
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
