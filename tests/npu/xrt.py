"""AMD's runtime, as Debian has it, with the NPU's device model: its tools must read the overlay and
find the device, and the engine must compute through it what the CPU computes, on both arrays and
after every kind of failure.

  xrt.py BUILD

toolchain/test-long.sh npu runs it in a Debian unstable. The runtime's sync flushes caches in user
space, which the model cannot see. With the runtime's setting Debug.force_driver_sync the driver
does that, and then the model stays strict. Without the setting the model has to be coherent.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
source = pathlib.Path(__file__).resolve().parents[2]
pair = source / 'weights/models/pair'
programs = [build / 'apus', build / 'tests/hal/test_conformance']
ends = 'refused', 'error', 'timeout', 'silent', 'abort', 'gone'


def settle(driver_syncs):
    # for root the runtime reads only settings that lie beside the program
    for program in programs:
        file = program.parent / 'xrt.ini'
        if driver_syncs:
            file.write_text('[Debug]\nforce_driver_sync=true\n')
        else:
            file.unlink(missing_ok=True)


def run(command, model, good=True):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / 'r'
        env = dict(os.environ,
                   LD_PRELOAD=str(build / 'libapus-npu-model.so'),
                   LD_LIBRARY_PATH=str(build),
                   APUS_NPU_MODEL='%s,lockable=1000000000,report=%s' % (model, report))
        done = subprocess.run([str(c) for c in command],
                              env=env,
                              text=True,
                              capture_output=True,
                              timeout=600)
        if good and done.returncode:
            sys.exit('FAIL %s: %s: exit status %d\n%s%s' %
                     (model, command, done.returncode, done.stdout[-3000:], done.stderr[-3000:]))
        figures = dict(line.split(' ', 1) for line in report.read_text().splitlines())
        return done, figures.pop('complaint'), {k: int(v) for k, v in figures.items()}


def check(what, good, *more):
    if not good:
        sys.exit('FAIL %s %s' % (what, more))
    print('ok %s' % what, *more, flush=True)


def device(model, more=''):
    return 'overlay=%s/npu-model-%s.xclbin,all,provider=xrt%s' % (build, model[:5], more)


def sections(file):
    data, out = file.read_bytes(), {}
    for at in range(456, 456 + 40 * int.from_bytes(data[448:452], 'little'), 40):
        kind, start, size = (int.from_bytes(data[at + a:at + b], 'little')
                             for a, b in ((0, 4), (24, 32), (32, 40)))
        out[kind] = data[start:start + size]
    return out


def overlay_is_as_their_tool_makes_it(model):
    """The same kernel and memories, given to xclbinutil as mlir-aie gives them: sections are equal,
    byte for byte, but for spaces in the XML."""
    ours = build / ('npu-model-%s.xclbin' % model)
    arguments = [('opcode', None, 'uint64_t', 0), ('instr', 'SRAM', 'char *', 8),
                 ('ninstr', None, 'uint32_t', 16)]
    arguments += [('bo%d' % i, 'HOST', 'void*', 20 + 8 * i) for i in range(5)]
    kernel = {
        'name':
        'MLIR_AIE',
        'type':
        'dpu',
        'extended-data': {
            'subtype': 'DPU',
            'functional': '0',
            'dpu_kernel_id': '0x901'
        },
        'instances': [{
            'name': 'MLIRAIE'
        }],
        'arguments': [
            dict(
                {
                    'name': n,
                    'type': t,
                    'offset': '0x%02x' % o,
                    'address-qualifier': 'GLOBAL' if m else 'SCALAR'
                }, **({
                    'memory-connection': m
                } if m else {})) for n, m, t, o in arguments
        ]
    }
    banks = [{
        'm_type': 'MEM_DRAM',
        'm_used': '1',
        'm_sizeKB': kb,
        'm_tag': tag,
        'm_base_address': '0x4000000'
    } for tag, kb in (('HOST', '0x10000'), ('SRAM', '0xc000'))]
    with tempfile.TemporaryDirectory() as folder:
        f = pathlib.Path(folder)
        (f / 'kernel.json').write_text(json.dumps({'ps-kernels': {'kernels': [kernel]}}))
        (f / 'banks.json').write_text(
            json.dumps({'mem_topology': {
                'm_count': '2',
                'm_mem_data': banks
            }}))
        subprocess.run([
            'xclbinutil', '--add-kernel', f / 'kernel.json', '--add-replace-section',
            'MEM_TOPOLOGY:JSON:%s' %
            (f / 'banks.json'), '--force', '--quiet', '--output', f / 'theirs.xclbin'
        ],
                       check=True,
                       capture_output=True)
        subprocess.run([
            'xclbinutil', '--input', ours, '--force', '--quiet', '--dump-section',
            'AIE_PARTITION[DPU]:JSON:%s' % (f / 'partition.json')
        ],
                       check=True,
                       capture_output=True,
                       cwd=folder)
        partition = json.loads((f / 'partition.json').read_text())['aie_partition']
        a, b = sections(ours), sections(f / 'theirs.xclbin')
    columns = partition['partition']
    check('partition of the overlay for %s' % model,
          (columns['column_width'],
           columns['start_columns']) == (('4', ['1']) if model == 'xdna1' else ('8', ['0'])))
    check('its program is the kernel\'s',
          partition['PDIs'][0]['cdo_groups'][0]['dpu_kernel_ids'] == ['0x901'])
    for kind in 6, 7, 8, 26:
        check('section %d of the overlay for %s' % (kind, model), a[kind] == b[kind])
    check('metadata of the overlay for %s' % model,
          b''.join(a[2].split()) == b''.join(b[2].split()))


def conformance(model, driver_syncs):
    settle(driver_syncs)
    done, complaint, figures = run([
        programs[1], 'npu', '0', 'all,provider=xrt',
        build / ('npu-model-%s.xclbin' % model[:5])
    ], model, good=False)
    return done.returncode == 0, complaint, figures


def text(model, more, tokens=6):
    command = [
        programs[0], 'run', '-m', pair / 'target.apus', '-p', 'The river', '-n', tokens,
        '--ignore-eos', '--json'
    ] + more
    done, complaint, figures = run(command, model)
    # of a device that is gone the runtime complains there too
    line = [x for x in done.stdout.splitlines() if x.startswith('{')]
    check('a text', len(line) == 1, done.stdout) if len(line) != 1 else None
    return json.loads(line[0]), complaint, figures, done.stderr


def texts(model):
    npu = ['--engine', 'npu', '--device', device(model)]
    want = text(model, [])[0]
    got, complaint, figures, _ = text(model, npu)
    check('%s: the CPU\'s text' % model,
          (got['logits_hash'], got['ids'], got['engine'],
           complaint) == (want['logits_hash'], want['ids'], 'npu', ''), figures)
    longer = text(model, npu, 10)[2]
    more = {k: longer[k] - figures[k] for k in figures}
    check(
        '%s: four tokens more' % model, more['buffers'] == 0
        and more['requests'] == 4 * more['submissions']
        and more['syncs'] == 2 * more['submissions'] > 0, more)
    got, complaint, _, _ = text(model,
                                npu + ['--draft', pair / 'draft.apus', '--draft-tokens', '3'])
    check(
        '%s: the same with a draft on the CPU' % model, got['ids'] == want['ids']
        and got['engine'] == 'npu' and got['accepted'] > 0 and not complaint)
    short = text(model, [], 1)[0]
    submissions = text(model, npu, 1)[2]['submissions']
    for end in ends:
        for at in range(submissions):
            got, _, _, said = text('%s,fail=%d:%s' % (model, at, end), npu, 1)
            lost = end == 'gone'
            good = (got['logits_hash'], got['ids'],
                    got['engine']) == (short['logits_hash'], short['ids'], 'cpu' if lost else 'npu')
            if not good or ('the NPU is not used any more'
                            if lost else 'trying again with a new context') not in said:
                check('%s: submission %d ends in %s' % (model, at, end), False, got, said)
    check(
        '%s: the same text in every way of failing, at each of %d submissions' %
        (model, submissions), submissions > 8)
    # of the last passes, where all are the engine's own
    for at in range(figures['syncs'] - 16, figures['syncs']):
        got, complaint, _, _ = text('%s,drop=%d' % (model, at), npu)
        if got['logits_hash'] == want['logits_hash'] and not complaint:
            check('%s: sync %d is missed' % (model, at), False)
    check('%s: each of the last syncs is missed' % model, True)


subprocess.run([build / 'tests/npu/test_npu_header'], check=True)
smi = shutil.which('xrt-smi')
for model, name in (('xdna1', 'RyzenAI-npu1'), ('xdna2', 'RyzenAI-npu4')):
    overlay_is_as_their_tool_makes_it(model)
    done, _, figures = run([smi, 'examine'], model + ',poses')
    check('xrt-smi lists the device', name in done.stdout, name)
    good, complaint, figures = conformance(model, True)
    check(
        '%s: conformance' % model, good and not complaint and figures['commands'] > 1000
        and figures['syncs'] > 2000 and not figures['unknown'], figures)
    texts(model)
good, complaint, figures = conformance('xdna2,shared', True)
check('conformance with the process\'s own addresses', good and not complaint, figures)
good, complaint, figures = conformance('xdna2,coherent', False)
check('conformance with the runtime\'s own flushes, unseen', good and not complaint
      and figures['syncs'] == 0, figures)
good, complaint, _ = conformance('xdna2', False)
check('without them seen the model complains', not good and complaint, complaint)
