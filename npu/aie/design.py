#!/usr/bin/env python3
"""design.py xdna1|xdna2 FILE: writes the overlay as an MLIR module, with MLIR-AIE's Python package:
where the tiles' buffers and locks lie, which way the streams take, and what each core does.

It has no transfers: control code (npu/gemv.c) writes descriptors and starts channels. The overlay
and the control code must agree only about what is in this file, and its numbers are read from
npu/gemv.h and npu/array.h. tests/npu/design.py compares routes, locks and the cores' steps with the
device model. It needs Python's package `aie` (mlir-aie) and numpy. It was written from the sources
of `aie` and has NOT YET BEEN RUN through the tools of that package.

Each core runs an endless loop: it waits for a first chunk, reads the parameters that the control
code has written before, and then takes one chunk of weights and one of x at a time. When a panel is
done it hands out the panel's sums (npu/aie/gemv.cc)."""
import re
import sys
from pathlib import Path

import numpy as np
from aie.dialects.aie import (AIEDevice, LockAction, WireBundle, buffer, core, device,
                              external_func, flow, lock, tile, use_lock)
from aie.dialects.aiex import runtime_sequence
from aie.extras.context import mlir_mod_ctx
from aie.iron.controlflow import range_

FOLDER = Path(__file__).resolve().parents[1]
ARRAYS = {'xdna1': ('npu1', 4), 'xdna2': ('npu2', 8)}  # the device's name in `aie`, columns
STACK = 0x800  # bytes; the parameters of a core lie behind its stack
DMA = WireBundle.DMA


def enumerators(header):
    """The names in a C header's enums and their values, for those whose value is a number or one
    more than the name before."""
    text = re.sub(r'/\*.*?\*/', '', header.read_text(), flags=re.DOTALL)
    values = {}
    for body in re.findall(r'enum(?:\s+\w+)?\s*\{([^}]*)\}', text):
        last = -1
        for name, given in re.findall(r'(\w+)\s*(?:=\s*([^,]+))?(?:,|$)', body):
            last = last + 1 if not given and last is not None else int(given, 0) if re.fullmatch(
                r'\s*(0x[0-9a-f]+|\d+)\s*', given) else None
            if last is not None:
                values[name] = last
    return values


C = enumerators(FOLDER / 'array.h') | enumerators(FOLDER / 'gemv.h') | enumerators(
    FOLDER / 'aie/gemv.h')
BYTES_W = np.ndarray[(2 * C['CORE_BUFFER'],), np.dtype[np.uint8]]
BYTES_X = np.ndarray[(2 * C['CORE_BUFFER'],), np.dtype[np.int8]]
SUMS = np.ndarray[(2 * C['CORE_Y_BUFFER'] // 4,), np.dtype[np.int32]]
PARAMETERS = np.ndarray[(C['APUS_NPU_PANELS'] + 1,), np.dtype[np.int32]]
PROGRESS = np.ndarray[(C['APUS_NPU_AT'],), np.dtype[np.int32]]


def locks_of(where, name, first):
    """A tile's locks. first: the number of each lock and its first value."""
    return {
        number: lock(where, lock_id=number, init=value, sym_name=f'{name}_lock{number}')
        for number, value in sorted(first.items())
    }


def memory_tile_locks():
    """At first two buffers are empty and none is full, for the weights and for the sums of each
    tile, and no pass over x is left."""
    first = {C['MEM_LOCK_X']: 0}
    for t in range(C['CORE_ROWS']):
        first |= {
            C['MEM_LOCK_W_EMPTY'] + t: 2,
            C['MEM_LOCK_W_FULL'] + t: 0,
            C['MEM_LOCK_Y_EMPTY'] + t: 2,
            C['MEM_LOCK_Y_FULL'] + t: 0
        }
    return first


def core_locks():
    return {
        C[f'LOCK_{what}_{state}']: 2 if state == 'EMPTY' else 0
        for what in 'WXY'
        for state in ('EMPTY', 'FULL')
    }


def core_program(where, name, begin, step):
    locks = locks_of(where, name, core_locks())
    parameters = buffer(where, PARAMETERS, name=f'{name}_parameters', address=C['CORE_PARAMETERS'])
    at = buffer(where, PROGRESS, name=f'{name}_at', address=C['CORE_AT'])
    w = buffer(where, BYTES_W, name=f'{name}_w', address=C['CORE_W'])
    x = buffer(where, BYTES_X, name=f'{name}_x', address=C['CORE_X'])
    y = buffer(where, SUMS, name=f'{name}_y', address=C['CORE_Y'])

    def take(lock_name):
        use_lock(locks[C[lock_name]], LockAction.AcquireGreaterEqual, value=1)

    def give(lock_name):
        use_lock(locks[C[lock_name]], LockAction.Release, value=1)

    @core(where, stack_size=STACK)
    def program():
        for _ in range_(sys.maxsize):
            # Takes nothing: when a first chunk has come, the parameters have been written, too.
            for full in ('LOCK_W_FULL', 'LOCK_X_FULL'):
                take(full)
                give(full)
            begin(at)
            for _ in range_(parameters[C['APUS_NPU_PANELS']]):
                take('LOCK_Y_EMPTY')
                for _ in range_(parameters[C['APUS_NPU_CHUNKS']]):
                    take('LOCK_W_FULL')
                    take('LOCK_X_FULL')
                    step(w, x, y, parameters, at)
                    give('LOCK_W_EMPTY')
                    give('LOCK_X_EMPTY')
                give('LOCK_Y_FULL')


def design(array):
    name, columns = ARRAYS[array]

    @device(getattr(AIEDevice, name))
    def body():
        begin = external_func('apus_npu_begin', [PROGRESS], link_with='apus_npu.o')
        step = external_func('apus_npu_step', [BYTES_W, BYTES_X, SUMS, PARAMETERS, PROGRESS],
                             link_with='apus_npu.o')
        tiles = [[tile(column, row) for row in range(C['ARRAY_ROWS'])] for column in range(columns)]
        for column in range(columns):
            shim, memory, *cores = tiles[column]
            locks_of(memory, f'mem{column}', memory_tile_locks())
            flow(shim, DMA, 0, memory, DMA, 0)  # weights
            if column:
                flow(shim, DMA, 1, memory, DMA, 5)  # and more weights
            flow(tiles[0][C['ROW_SHIM']], DMA, 1, memory, DMA, 1)  # x, from the first column to all
            for t, where in enumerate(cores):
                flow(memory, DMA, t, where, DMA, 0)  # a tile's weights
                flow(memory, DMA, 4, where, DMA, 1)  # x, to all four
                if where is not cores[-1]:
                    flow(where, DMA, 0, memory, DMA, 2 + t)  # its sums
                core_program(where, f'core{column}_{t}', begin, step)
            flow(memory, DMA, 5, shim, DMA, 0)  # three tiles' sums
            # the last tile's sums go directly: a memory tile has only six channels in
            flow(cores[-1], DMA, 0, shim, DMA, 1)

        # An empty sequence, so that the container's kernel takes three buffers. npu/gemv.c makes
        # the control code.
        anything = np.ndarray[(1,), np.dtype[np.int32]]

        @runtime_sequence(anything, anything, anything)
        def sequence(weights, x, sums):
            pass


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ARRAYS:
        sys.exit('usage: design.py xdna1|xdna2 FILE')
    with mlir_mod_ctx() as context:
        design(sys.argv[1])
        if context.module.operation.verify() is not True:
            sys.exit('the module is not valid')
        Path(sys.argv[2]).write_text(f'{context.module}\n')


if __name__ == '__main__':
    main()
