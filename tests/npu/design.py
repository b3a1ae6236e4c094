#!/usr/bin/env python3
"""design.py MODEL: compares npu/aie/design.py with the device model, without mlir-aie: it runs with
stand-ins for mlir-aie's functions, which record their calls.

MODEL (npu_write_model) says what overlay the model has. The test compares routes and first values
of locks, checks that buffers do not overlap, and runs a core's program step by step: it must use
locks and call the kernel like tests/npu/sim/core.c. What MLIR-AIE itself makes of the design this
test cannot say."""
import contextlib
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PANELS, CHUNKS = 3, 5
TYPE_BYTES = {'uint8': 1, 'int8': 1, 'int32': 4}


class Finished(Exception):
    """A core has run its loop often enough."""


class Record:
    """Records what the design asks for, and the run of one core's program."""

    def __init__(self):
        self.device = None
        self.flows, self.locks, self.buffers, self.cores, self.functions = [], [], [], [], {}
        self.steps, self.sequence = [], None


class Subscript:
    """numpy.ndarray[shape, dtype] and numpy.dtype[type], as types that remember."""

    def __init__(self, name):
        self.name = name

    def __getitem__(self, of):
        return (self.name, of)


def type_bytes(kind):
    _, (shape, (_, scalar)) = kind
    return shape[0] * TYPE_BYTES[scalar]


class Buffer:
    def __init__(self, where, kind, name, address):
        self.tile, self.kind, self.name, self.address = where, kind, name, address

    def __getitem__(self, index):
        return {3: CHUNKS, 4: PANELS}[index] if self.name.endswith('parameters') else None


def stand_ins(record):
    """Modules by name."""
    numpy = types.ModuleType('numpy')
    numpy.ndarray, numpy.dtype = Subscript('ndarray'), Subscript('dtype')
    numpy.uint8, numpy.int8, numpy.int32 = 'uint8', 'int8', 'int32'

    aie = types.ModuleType('aie.dialects.aie')
    aie.AIEDevice = types.SimpleNamespace(npu1='npu1', npu2='npu2')
    aie.WireBundle = types.SimpleNamespace(DMA='DMA')
    aie.LockAction = types.SimpleNamespace(AcquireGreaterEqual='take', Release='give')
    aie.tile = lambda column, row: (column, row)

    def lock(where, *, lock_id, init, sym_name):
        record.locks.append((where, lock_id, init, sym_name))
        return (where, lock_id)

    def buffer(where, kind, name, address):
        record.buffers.append(Buffer(where, kind, name, address))
        return record.buffers[-1]

    def flow(source, source_bundle, source_channel, dest, dest_bundle, dest_channel):
        assert source_bundle == dest_bundle == 'DMA'
        record.flows.append((*source, source_channel, *dest, dest_channel))

    def external_func(name, inputs, link_with):
        record.functions[name] = (inputs, link_with)

        def call(*arguments):
            assert [a.kind for a in arguments] == inputs, f'{name} is called with other types'
            record.steps.append(
                (name, *(a.name.split('_', 1)[1].split('_')[-1] for a in arguments)))
        return call

    def device(which):
        def run(body):
            record.device = which
            body()
        return run

    aie.lock, aie.buffer, aie.flow = lock, buffer, flow
    aie.external_func, aie.device = external_func, device
    aie.core = lambda where, stack_size: lambda program: record.cores.append(
        (where, stack_size, program))

    def use_lock(which, action, value):
        assert value == 1
        record.steps.append((action, *which))
    aie.use_lock = use_lock

    aiex = types.ModuleType('aie.dialects.aiex')
    aiex.runtime_sequence = lambda *kinds: lambda body: setattr(record, 'sequence', kinds)

    def range_(count):
        if count == sys.maxsize:
            yield from range(2)
            raise Finished
        yield from range(count)
    controlflow = types.ModuleType('aie.iron.controlflow')
    controlflow.range_ = range_
    context = types.ModuleType('aie.extras.context')
    context.mlir_mod_ctx = contextlib.nullcontext
    found = {m.__name__: m for m in (numpy, aie, aiex, controlflow, context)}
    return found | {
        name: types.ModuleType(name)
        for name in ('aie', 'aie.dialects', 'aie.iron', 'aie.extras')
    }


def run_design(array):
    record = Record()
    sys.modules.update(stand_ins(record))
    spec = importlib.util.spec_from_file_location('design_of_' + array, ROOT / 'npu/aie/design.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.design(array)
    return record, module.C


def expected_steps(where, c):
    """A core's, going round twice."""
    def take(name):
        return ('take', where, c[name])

    def give(name):
        return ('give', where, c[name])
    step = ('apus_npu_step', 'w', 'x', 'y', 'parameters', 'at')
    chunk = [
        take('LOCK_W_FULL'),
        take('LOCK_X_FULL'), step,
        give('LOCK_W_EMPTY'),
        give('LOCK_X_EMPTY')
    ]
    panel = [take('LOCK_Y_EMPTY')] + chunk * CHUNKS + [give('LOCK_Y_FULL')]
    look = [
        take('LOCK_W_FULL'),
        give('LOCK_W_FULL'),
        take('LOCK_X_FULL'),
        give('LOCK_X_FULL'), ('apus_npu_begin', 'at')
    ]
    return (look + panel * PANELS) * 2


def check_array(model, number, array):
    words = [
        line.split() for line in subprocess.run(
            [model, str(number)], capture_output=True, text=True, check=True).stdout.splitlines()
    ]
    of = {
        kind: [tuple(map(int, w[1:])) for w in words if w[0] == kind]
        for kind in ('columns', 'route', 'lock')
    }
    columns = of['columns'][0][0]
    record, c = run_design(array)
    assert record.device == f'npu{number}'
    assert sorted(record.flows) == sorted(of['route']) and len(set(record.flows)) == len(
        record.flows), 'routes differ'

    tiles = {(column, row) for column in range(columns) for row in range(1, 6)}
    assert {where for where, *_ in record.locks} == tiles
    first = {(where, number): init for where, number, init, _ in record.locks}
    assert len(first) == len(record.locks) == len({name
                                                   for *_, name in record.locks
                                                   }), 'a lock is there twice'
    want = {
        ((column, row), number): value
        for row, number, value in of['lock']
        for column in range(columns)
    }
    assert {k: v for k, v in first.items() if v} == want, 'locks begin with other values'
    used = {t for row in (1, 2) for t in (n for (where, n) in first if where == (0, row))}
    assert used == set(range(c['MEM_LOCK_X'] + 1)), 'locks of the control code are missing'

    cores = {where: (stack, program) for where, stack, program in record.cores}
    assert set(cores) == {t for t in tiles if t[1] >= 2}
    for where, (stack, program) in cores.items():
        areas = sorted(
            (b.address, b.address + type_bytes(b.kind)) for b in record.buffers if b.tile == where)
        assert len(areas) == 5 and areas[0][0] >= stack and areas[-1][1] <= 64 << 10
        assert all(a[1] <= b[0] for a, b in zip(areas, areas[1:])), 'buffers overlap'
        at = {b.name.rsplit('_', 1)[1]: b.address for b in record.buffers if b.tile == where}
        assert at == {
            'parameters': c['CORE_PARAMETERS'],
            'at': c['CORE_AT'],
            'w': c['CORE_W'],
            'x': c['CORE_X'],
            'y': c['CORE_Y']
        }
        record.steps.clear()
        try:
            program()
        except Finished:
            pass
        assert record.steps == expected_steps(where, c), f'the core {where} takes other steps'
    assert len(record.sequence) == c['GEMV_ARGUMENTS']
    assert {
        name: link
        for name, (_, link) in record.functions.items()
    } == dict.fromkeys(('apus_npu_begin', 'apus_npu_step'), 'apus_npu.o')
    print(f'{array}: {len(record.flows)} routes, {len(record.locks)} locks, {len(cores)} cores')


def main():
    for number, array in enumerate(('xdna1', 'xdna2'), 1):
        check_array(sys.argv[1], number, array)


if __name__ == '__main__':
    main()
