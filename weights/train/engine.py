"""Computes logits with the engine, through libapus.so, so that what is learned is what the packed
teacher says."""
import ctypes as c
import mmap

import numpy as np

ALIGNMENT = 4096


class Memory(c.Structure):
    _fields_ = [('size', c.c_uint32), ('alignment', c.c_uint32), ('bytes', c.c_uint64),
                ('driver_bytes', c.c_uint64)]


class ModelConfig(c.Structure):
    _fields_ = [('size', c.c_uint32), ('blob', c.c_void_p), ('port', c.c_void_p), ('cpu', c.c_int),
                ('engines_count', c.c_uint32), ('engines', c.c_void_p)]


class Config(c.Structure):
    _fields_ = [('size', c.c_uint32), ('model', c.c_void_p), ('context', c.c_uint32),
                ('threads', c.c_uint32), ('chunk', c.c_uint32), ('prompt_bytes', c.c_uint32),
                ('draft', c.c_void_p), ('draft_context', c.c_uint32), ('proposals', c.c_uint32),
                ('lookup', c.c_int), ('overlap', c.c_int), ('costs', c.c_void_p),
                ('pool', c.c_void_p), ('state_key', c.c_void_p)]


def aligned(size):
    """Returns memory of at least `size` bytes, and the first aligned address in it."""
    memory = c.create_string_buffer(size + ALIGNMENT)
    address = c.addressof(memory)
    return memory, address + -address % ALIGNMENT


class Engine:
    """A packed model that evaluates rows of ids on one thread."""

    def __init__(self, library, blob, vocab, context):
        self.lib, self.vocab, self.kept = c.CDLL(str(library)), vocab, []
        with open(blob, 'rb') as f:
            data = np.frombuffer(mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        view = (c.c_uint64 * 32)()
        self.kept += [data, view]
        self.call('apus_blob_open', view, c.c_void_p(data.ctypes.data), c.c_size_t(data.size), None)
        model = ModelConfig(size=c.sizeof(ModelConfig), blob=c.addressof(view))
        self.model = self.open('apus_model_measure', 'apus_model_open', model)
        self.session = self.open(
            'apus_measure', 'apus_open',
            Config(size=c.sizeof(Config), model=self.model, context=context, threads=1))
        self.room = np.empty((context, vocab), np.float32)

    def call(self, name, *arguments):
        status = getattr(self.lib, name)(*arguments)
        if status < 0:
            raise RuntimeError(f'{name}: status {status}')

    def open(self, measure, name, config):
        need, handle = Memory(size=c.sizeof(Memory)), c.c_void_p()
        self.call(measure, c.byref(config), c.byref(need))
        memory, address = aligned(need.bytes)
        self.kept.append(memory)
        self.call(name, c.byref(handle), c.byref(config), c.c_void_p(address),
                  c.c_size_t(need.bytes))
        return handle.value

    def logits(self, ids):
        """Returns logits [len(ids)][vocab], which are valid until the next call."""
        ids = np.ascontiguousarray(ids, np.int32)
        self.call('apus_rewind', c.c_void_p(self.session), c.c_size_t(0))
        self.call('apus_eval', c.c_void_p(self.session), c.c_void_p(ids.ctypes.data),
                  c.c_size_t(len(ids)), c.c_void_p(self.room.ctypes.data), None)
        return self.room[:len(ids)]
