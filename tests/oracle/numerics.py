#!/usr/bin/env python3
"""docs/numerics.md in numpy, written from that page alone: the logits of a blob, to the last bit.

    numerics.py MODEL.apus --ids 1,2,3 -o OUT.f32          float32 [positions][vocab]

With --kv 4, k8v4 or k4v8 the cache has so many bits.

Float operations are one float32 ufunc each, in the order the page gives. mul, add and sub assert
that no operation makes a denormal, an infinity or a NaN (their operands are such results or come
from the blob, which is checked when read). Integer sums are exact in int64; GEMV runs them as
float64 matrix products, whose partial sums are integers below 2^53 and therefore exact in any
order. All positions go through a layer together, each seeing itself and the ones before: what the
runtime must equal however it cuts them."""
import argparse
import copy
import json
import math
import pathlib

import numpy as np

f32, u32, i64 = np.float32, np.uint32, np.int64
GROUP, ABSENT = 64, 0xffffffff
W8, W4, ROW8, W5, W6, W4S, W8S, W4T = 1, 2, 3, 4, 5, 6, 7, 8
TABLE = np.array([-10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 9], np.int64)


# --------------------------------------------------------------------------------------------------
# blob
MODEL = np.dtype([(n, '<u4')
                  for n in ('layers', 'dim', 'vocab', 'max_positions', 'head_dim', 'tensors')] +
                 [('eps', '<f4'), ('rotated', '<u4'), ('parameters', '<u8')] +
                 [(n, '<u4')
                  for n in ('name', 'architecture', 'provenance', 'embed', 'head', 'draft')])
DRAFT = np.dtype([(n, '<u4') for n in ('head_rows', 'mask', 'zero', 'zero2')])
LAYER = np.dtype([(n, '<u4') for n in ('heads', 'kv_heads', 'ffn', 'variant')] +
                 [('tensor', '<u4', 7), ('zero', '<u4')])
VARIANT = np.dtype([(n, '<u4') for n in ('rotation', 'window', 'q_gain', 'k_gain', 'sinks',
                                         'activation', 'router', 'experts', 'active', 'mixing',
                                         'norms', 'o_gain', 'down_gain', 'whole')] +
                   [('zero', '<u4', 2)])
PLAIN = np.array([(0, 0, ABSENT, ABSENT, ABSENT, 0, ABSENT, 0, 0, 0, 0, 0, 0, 0, (0, ) * 2)],
                 VARIANT)
NORMS_BEFORE, NORMS_BEHIND = 0, 1
ROTATION_NONE, ROTATION_SECOND = 1, 2
ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_CLAMPED, ACTIVATION_PLAIN = 0, 1, 2, 3
TENSOR = np.dtype([('name', 'S48')] +
                  [(n, '<u4') for n in ('type', 'rows', 'cols', 'row_scales', 'bias', 'zero')] +
                  [('offset', '<u8'), ('bytes', '<u8')])


def padded(n, to):
    return (n + to - 1) // to * to


def in_range(x, what):
    """Stored floats are +0 or in [2^-50, 2^50] by magnitude."""
    m = x.view(u32) & u32(0x7fffffff)
    assert ((x.view(u32) == 0) | ((m >= 0x26800000) & (m <= 0x58800000))).all(), what
    return x


class Tensor:
    """w: float64 [rows][padded columns] of integers (scale * w where there are group scales);
    row_scale, bias: float32 [rows]."""

    def __init__(self, t, rows, weights):
        n, kp, raw = int(t['rows']), padded(int(
            t['cols']), GROUP), weights[int(t['offset']):int(t['offset'] + t['bytes'])]
        self.w = {
            W8: self.w8,
            W4: self.w4,
            W4T: self.w4t,
            W5: self.w5,
            W6: self.w6,
            W4S: self.w4s,
            W8S: self.w8s,
            ROW8: self.row8
        }[int(t['type'])](raw, padded(n, 16), n, kp)[:n]
        at, bias = int(t['row_scales']), int(t['bias'])
        self.row_scale = in_range(rows[at:at + n], 'row scales')
        self.bias = in_range(rows[bias:bias + n], 'bias') if bias != ABSENT else None

    def part(self, index, count):
        """The rows of one of `count` experts."""
        of, n = copy.copy(self), len(self.w) // count
        rows = slice(index * n, index * n + n)
        of.w, of.row_scale = self.w[rows], self.row_scale[rows]
        of.bias = None if self.bias is None else self.bias[rows]
        return of

    @staticmethod
    def row8(raw, np_, n, kp):
        return raw.view(np.int8).reshape(n, kp)  # the embedding: rows are looked up, not multiplied

    @staticmethod
    def w8(raw, np_, n, kp):
        lines = raw.reshape(np_ // 16, kp // 4, 16, 4)
        return lines.transpose(0, 2, 1, 3).reshape(np_, kp).astype(np.float64) - 128

    @staticmethod
    def grouped(raw, np_, kp, more, table=None):
        """Nibbles, `more` high bits for each of them, and a scale for every group. What stands
        under one line of high bits, 8 columns a line of nibbles, is a unit of a group. With a
        table a nibble is a place in it."""
        groups, panel, units = kp // GROUP, [], max(1, 2 * more)
        lines = 8 // units
        at, raw = 0, raw.reshape(np_ // 16, -1)
        size = (units * (lines + (more > 0))) * 64
        for first in range(0, groups, 4):
            count = min(4, groups - first)
            # [panel][group][row]
            scale = raw[:, at:at + 64].view(np.int8).reshape(-1, 4, 16)[:, :count].astype(i64)
            # [panel][group][unit][line][row][j]
            line = raw[:, at + 64:at + 64 + count * size].reshape(-1, count, units,
                                                                 lines + (more > 0), 16,
                                                                 4).astype(i64)
            code = line[:, :, :, more > 0:]
            # [panel][group][unit][line][row][half][j]
            both = np.stack((code & 15, code >> 4), axis=5)
            if more:
                run = np.arange(2 * lines).reshape(1, 1, 1, lines, 1, 2, 1)
                high = line[:, :, :, :1, :, None] >> (more * run)
                both = both + 16 * (high & ((1 << more) - 1))
            both = both - (8 << more) if table is None else table[both]
            # [panel][row][group][column]
            w = both.transpose(0, 4, 1, 2, 3, 5, 6).reshape(-1, 16, count, GROUP)
            panel.append((w * scale.transpose(0, 2, 1)[..., None]).reshape(-1, 16, count * GROUP))
            at += 64 + count * size
        return np.concatenate(panel, axis=2).reshape(np_, kp).astype(np.float64)

    @staticmethod
    def sparse(raw, np_, kp, scales):
        """Two of every four columns are kept: those at p and at p ^ m."""
        groups, panels = kp // GROUP, np_ // 16
        raw = raw.reshape(panels, -1, 16, 4)  # [panel][line][row][quad]
        w, at = np.zeros((panels, 16, groups, 4, 4, 4), np.float64), 0
        for g in range(groups):
            if scales and g % 4 == 0:
                scale = raw[:, at].reshape(panels, 4, 16).view(np.int8)
                at += 1
            if g % 2 == 0:
                flags = raw[:, at].astype(int)
                at += 1
            positions = raw[:, at].astype(int)
            for i in range(4):
                p = positions >> 2 * i & 3
                f = flags >> (2 * i + (g % 2 == 0)) & 1
                m = np.where(f == 0, 1, np.where(p < 2, 2, 3))
                if scales:
                    byte = raw[:, at + 1 + i].astype(int)
                    first, second = (byte & 15 ^ 8) - 8, (byte >> 4 ^ 8) - 8
                else:
                    first, second = (raw[:, at + 1 + 2 * i + n].view(np.int8) for n in (0, 1))
                quad = w[:, :, g, i]
                np.put_along_axis(quad, p[..., None], first[..., None], axis=3)
                np.put_along_axis(quad, (p ^ m)[..., None], second[..., None], axis=3)
            if scales:
                w[:, :, g] *= scale[:, g % 4][:, :, None, None, None]
            at += 5 if scales else 9
        return w.reshape(np_, kp)

    @classmethod
    def w4s(cls, raw, np_, n, kp):
        return cls.sparse(raw, np_, kp, True)

    @classmethod
    def w8s(cls, raw, np_, n, kp):
        return cls.sparse(raw, np_, kp, False)

    @classmethod
    def w4(cls, raw, np_, n, kp):
        return cls.grouped(raw, np_, kp, 0)

    @classmethod
    def w4t(cls, raw, np_, n, kp):
        return cls.grouped(raw, np_, kp, 0, TABLE)

    @classmethod
    def w5(cls, raw, np_, n, kp):
        return cls.grouped(raw, np_, kp, 1)

    @classmethod
    def w6(cls, raw, np_, n, kp):
        return cls.grouped(raw, np_, kp, 2)


class Blob:
    def __init__(self, path):
        data = np.memmap(path, np.uint8, 'r')
        assert bytes(data[:4]) == b'APUS'
        version, header, count = data[4:16].view('<u4')
        assert (version, header, count) == (2, 4096, 8), 'another format'
        spans = data[32:32 + 8 * 24].view('<u8').reshape(8, 3)
        part = [data[int(o):int(o + n)] for o, n, _ in spans]
        self.model = part[0][:MODEL.itemsize].view(MODEL)[0]
        self.head_ids = self.mask = None  # of a head with fewer rows than there are ids
        if self.model['draft']:
            rest = part[0][MODEL.itemsize:]
            draft = rest[:DRAFT.itemsize].view(DRAFT)[0]
            self.mask = int(draft['mask'])
            self.head_ids = rest[DRAFT.itemsize:].view('<u4') if draft['head_rows'] else None
        layers = int(self.model['layers']) * LAYER.itemsize
        self.layers = part[1][:layers].view(LAYER)
        # variants[0] is that of a plain layer
        self.variants = np.concatenate((PLAIN, part[1][layers:].view(VARIANT)))
        self.tensors = part[2].view(TENSOR)
        self.rows = part[3].view('<f4')
        h = int(self.model['head_dim']) // 2
        self.rope = in_range(part[4].view('<f4'),
                             'RoPE tables').reshape(-1, int(self.model['max_positions']), 2, h)
        self.weights = part[7]

    def floats(self, at, count):
        return None if at == ABSENT else in_range(self.rows[at:at + count], 'floats of a variant')

    def tensor(self, index):
        return Tensor(self.tensors[index], self.rows, self.weights)


# --------------------------------------------------------------------------------------------------
# 1. words, float operations
def bits(x):
    return x.view(u32)


def fine(y):
    """The result of an operation: float32, zero or normal, finite."""
    m = bits(y) & u32(0x7fffffff)
    assert y.dtype == f32 and ((m == 0) |
                               ((m >= 0x00800000) &
                                (m < 0x7f800000))).all(), 'a denormal, an infinity or a NaN'
    return y


def array(x):
    return np.atleast_1d(np.asarray(x, f32))


def mul(a, b):
    return fine(array(a) * array(b))


def add(a, b):
    return fine(array(a) + array(b))


def sub(a, b):
    return fine(array(a) - array(b))


def rint(x):
    return np.rint(x)  # half to even


def snap(x):
    m = bits(x) & u32(0x7fffffff)
    assert (m <= 0x58800000).all(), 'APUS_E_NUMERIC'
    return np.where(m < 0x26800000, f32(0), x)


# --------------------------------------------------------------------------------------------------
# 2. elementary functions
def recip(x):
    r = (u32(0x7EF311C3) - bits(x)).view(f32)
    for _ in range(3):
        r = mul(r, sub(2, mul(x, r)))
    return r


def rsqrt(x):
    r, h = (u32(0x5F375A86) - (bits(x) >> u32(1))).view(f32), mul(0.5, x)
    for _ in range(3):
        r = mul(r, sub(1.5, mul(h, mul(r, r))))
    return r


EXP2 = [
    f32(float.fromhex(c)) for c in ('0x1.41fbbcp-13', '0x1.5f3e54p-10', '0x1.3b2d4cp-7',
                                    '0x1.c6aee8p-5', '0x1.ebfbdcp-3', '0x1.62e430p-1')
]


def exp2(t):
    n = rint(t)
    f = snap(sub(t, n))
    p = np.full_like(f, EXP2[0])
    for c in EXP2[1:] + [f32(1)]:
        p = add(mul(p, f), c)
    return fine((bits(p) + (n.astype(np.int32).view(u32) << u32(23))).view(f32))


# --------------------------------------------------------------------------------------------------
# 3. quantizing a vector
def quant(x):
    """x [..., n] -> integers [..., n] in float64, scale [...]."""
    a = snap(np.abs(x).max(axis=-1))
    some = a > 0
    v = np.where(some, mul(127, recip(np.where(some, a, f32(1)))), f32(0))
    q = np.clip(rint(mul(x, v[..., None])), -127, 127)
    return q.astype(np.float64), snap(mul(a, f32(float.fromhex('0x1.020408p-7'))))


# --------------------------------------------------------------------------------------------------
# 4. GEMV
def wrapped(x):
    """Exact integers -> int32 modulo 2^32."""
    return (np.asarray(x).astype(i64) & 0xffffffff).astype(u32).view(np.int32)


def gemv(t, column):
    """Columns (q [n][k], s [n]) -> y [n][rows], with the bias where the tensor has one."""
    q, s = column
    acc = wrapped(q @ t.w[:, :q.shape[1]].T)
    y = snap(mul(mul(acc.astype(f32), t.row_scale[None, :]), s[:, None]))
    return y if t.bias is None else snap(add(y, t.bias[None, :]))


# --------------------------------------------------------------------------------------------------
# 5. a pass
def rms(x, inv_dim, eps):
    """The factor of RMSNorm for each row of x [n][d]."""
    n, d = x.shape
    p = np.zeros((n, 64), f32)
    for i in range(0, d, 64):
        w = min(64, d - i)
        p[:, :w] = add(p[:, :w], mul(x[:, i:i + w], x[:, i:i + w]))
    for w in (32, 16, 8, 4, 2, 1):
        p = add(p[:, :w], p[:, w:2 * w])
    return rsqrt(add(mul(p[:, 0], inv_dim), eps))


def norm(x, inv_dim, eps):
    q, s0 = quant(x)
    return q, snap(mul(s0, rms(x, inv_dim, eps)))


def rope(x, table):
    """x [n][heads][head_dim], table [n][2][head_dim / 2]."""
    h = x.shape[2] // 2
    a, b, cos, sin = x[:, :, :h], x[:, :, h:], table[:, None, 0], table[:, None, 1]
    return np.concatenate(
        (snap(sub(mul(a, cos), mul(b, sin))), snap(add(mul(a, sin), mul(b, cos)))), axis=2)


def silu(g, u):
    t = np.minimum(np.maximum(mul(g, f32(float.fromhex('-0x1.715476p+0'))), f32(-30)), f32(30))
    return snap(mul(snap(mul(g, recip(add(1, exp2(t))))), u))


def gelu(x):
    y = np.minimum(np.maximum(x, f32(-8)), f32(8))
    a, b = f32(float.fromhex('-0x1.26aec2p+1')), f32(float.fromhex('-0x1.a5a7d0p-4'))
    t = np.minimum(np.maximum(mul(y, add(a, mul(b, mul(y, y)))), f32(-30)), f32(30))
    return snap(mul(x, recip(add(1, exp2(t)))))


def clamped(g, u):
    g, u = np.minimum(g, f32(7)), np.minimum(np.maximum(u, f32(-7)), f32(7))
    t = np.minimum(np.maximum(mul(g, f32(float.fromhex('-0x1.3a4cbep+1'))), f32(-30)), f32(30))
    return snap(mul(snap(mul(g, recip(add(1, exp2(t))))), add(u, 1)))


GATED = {ACTIVATION_SILU: silu, ACTIVATION_CLAMPED: clamped, ACTIVATION_PLAIN: silu}


def hadamard(h, block):
    """In consecutive blocks along the last axis."""
    shape, length = h.shape, 1
    while length < block:
        v = h.reshape(-1, 2, length)
        h = np.stack((add(v[:, 0], v[:, 1]), sub(v[:, 0], v[:, 1])), axis=1)
        length *= 2
    return h.reshape(shape)


def join(x, y, gain, block, inv_dim, eps):
    """x with what a norm behind a sublayer makes of its products y."""
    r = rms(y, inv_dim, eps)
    h = hadamard(snap(mul(y, gain[None, :])), block)
    return snap(add(x, snap(mul(h, r[:, None]))))


def mixed(x, table, gain, whole, eps):
    """q or k after GEMV, quantized. whole: the norm is of all heads together."""
    n, heads, d = x.shape
    if gain is None:
        return quant(hadamard(rope(x, table), math.gcd(d, 64)))
    rows = heads * d if whole else d
    r = rms(x.reshape(-1, rows), f32(1.0 / rows), eps).reshape(n, -1)
    x = snap(mul(x, gain.reshape(1, -1, d)))
    q, s = quant(hadamard(rope(x, table), math.gcd(d, 64)))
    return q, snap(mul(s, r))


# --------------------------------------------------------------------------------------------------
# 6. attention
LEVELS = np.array([-125, -101, -79, -61, -46, -32, -19, -6, 6, 19, 32, 46, 61, 79, 101, 125])
KV_BITS = {'8': (8, 8), '4': (4, 4), 'k8v4': (8, 4), 'k4v8': (4, 8)}


def cached(q, bits):
    """What a cache of so many bits makes of quantized values: with 4 the nearest level, of two
    equally near ones the upper one."""
    if bits == 8:
        return q
    near = np.abs(q[..., None] - LEVELS)
    return LEVELS[15 - near[..., ::-1].argmin(axis=-1)].astype(np.float64)


def attend(q, qs, k, ks, v, vs, window, sink):
    """One query head over its kv head, every position seeing itself and the earlier ones, at most
    `window` in all if that is not 0: q, k, v [n][head_dim] integers, scales [n], sink a float or
    None."""
    n = len(qs)
    sees = np.tri(n, dtype=bool)
    if window:
        sees &= ~np.tri(n, k=-window, dtype=bool)
    score = mul(mul((q @ k.T).astype(f32), qs[:, None]), ks[None, :])
    best = np.where(sees, score, -np.inf).max(axis=1).astype(f32)
    if sink is not None:
        best = np.maximum(best, sink)
    vmax = np.where(sees, vs[None, :], f32(0)).max(axis=1)
    t = np.where(sees, sub(score, best[:, None]), f32(-31))
    live = t >= -30
    e = np.where(live, exp2(np.where(live, t, f32(0))), f32(0))
    total = rint(mul(e, f32(2.0 ** 24))).astype(i64).sum(axis=1)
    if sink is not None:
        t = sub(np.full(n, sink, f32), best)
        live = t >= -30
        e_sink = np.where(live, exp2(np.where(live, t, f32(0))), f32(0))
        total = total + rint(mul(e_sink, f32(2.0 ** 24))).astype(i64)
    top = np.where(vmax > 0, vmax, f32(1))
    b = np.where(sees, snap(mul(np.where(sees, vs[None, :], f32(0)), recip(top)[:, None])), f32(0))
    w = np.minimum(rint(mul(mul(e, b), f32(2097151))), f32(2097151)).astype(i64)
    acc = w @ v.astype(i64)
    gain = snap(mul(vmax, f32(float.fromhex('0x1.000008p+3'))))
    out = snap(mul(mul(acc.astype(f32), gain[:, None]), recip(total.astype(f32))[:, None]))
    return np.where(vmax[:, None] > 0, out, f32(0))


# --------------------------------------------------------------------------------------------------
# 5. layers with experts
def route(l, active, everyone):
    """Router products [n][experts] -> the experts of each column [n][active], ascending, and their
    weights."""
    best = np.sort(np.argsort(-l, axis=1, kind='stable')[:, :active], axis=1)
    d = mul(sub(l, l.max(axis=1)[:, None]), f32(float.fromhex('0x1.715476p+0')))
    e = np.where(d >= -30, exp2(np.where(d >= -30, d, f32(0))), f32(0))
    e = rint(mul(e, f32(2.0 ** 24))).astype(i64)
    chosen = np.take_along_axis(e, best, axis=1)
    total = (e if everyone else chosen).sum(axis=1).astype(f32)
    return best, snap(mul(chosen.astype(f32), recip(total)[:, None]))


def experts(blob, layer, variant, x, a):
    """x with what the chosen experts add to it."""
    count, x = int(variant['experts']), x.copy()
    best, weight = route(gemv(blob.tensor(variant['router']), a), int(variant['active']),
                         variant['mixing'] == 1)
    gate, up, down = (blob.tensor(t) for t in layer['tensor'][4:])
    for e in range(count):
        column, rank = np.nonzero(best == e)
        if not len(column):
            continue
        part = a[0][column], a[1][column]
        h = GATED[int(variant['activation'])](gemv(gate.part(e, count), part),
                                              gemv(up.part(e, count), part))
        if int(variant['activation']) != ACTIVATION_PLAIN:
            h = hadamard(h, 64)
        y = gemv(down.part(e, count), quant(h))
        x[column] = snap(add(x[column], snap(mul(y, weight[column, rank][:, None]))))
    return x


def attention(blob, layer, x, a, kv):
    n, d = len(x), int(blob.model['head_dim'])
    q, k, v = (gemv(blob.tensor(layer['tensor'][i]), a).reshape(n, -1, d) for i in range(3))
    variant = blob.variants[layer['variant']]
    table = blob.rope[int(variant['rotation'] == ROTATION_SECOND), :n]
    if variant['rotation'] == ROTATION_NONE:
        table = np.stack((np.ones_like(table[:, 0]), np.zeros_like(table[:, 1])), axis=1)
    whole = int(variant['whole'])
    q_gain, k_gain = (blob.floats(variant[g], x.shape[1] * d if whole else d)
                      for g, x in (('q_gain', q), ('k_gain', k)))
    eps = f32(blob.model['eps'])
    (q, qs), (k, ks) = (mixed(x, table, gain, whole, eps) for x, gain in ((q, q_gain), (k, k_gain)))
    v, vs = quant(v)
    k, v = (cached(x, bits) for x, bits in zip((k, v), KV_BITS[kv]))
    group = int(layer['heads']) // int(layer['kv_heads'])
    sinks = [None] * int(layer['heads'])
    if variant['sinks'] != ABSENT:
        at = int(variant['sinks'])
        sinks = in_range(blob.rows[at:at + len(sinks)], 'sinks')
    o = [
        attend(q[:, h], qs[:, h], k[:, h // group], ks[:, h // group], v[:, h // group],
               vs[:, h // group], int(variant['window']), sinks[h])
        for h in range(int(layer['heads']))
    ]
    return np.concatenate(o, axis=1)


def logits(blob, ids, kv='8'):
    """float32 [positions][vocab]."""
    ids, m = np.asarray(ids), blob.model
    inv_dim, eps = f32(1.0 / int(m['dim'])), f32(m['eps'])
    embed = blob.tensor(m['embed'])
    x = snap(mul(embed.w[ids][:, :int(m['dim'])].astype(f32), embed.row_scale[ids][:, None]))
    dim = int(m['dim'])
    block = dim & -dim if m['rotated'] else 1

    def joined(x, y, gain):
        if variant['norms'] == NORMS_BEFORE:
            return snap(add(x, y))
        return join(x, y, blob.floats(variant[gain], dim), block, inv_dim, eps)

    for layer in blob.layers:
        weight = [blob.tensor(t) if t != ABSENT else None for t in layer['tensor'][3:]]
        variant = blob.variants[layer['variant']]
        behind = variant['norms'] == NORMS_BEHIND
        if layer['heads']:
            o = attention(blob, layer, x, quant(x) if behind else norm(x, inv_dim, eps), kv)
            x = joined(x, gemv(weight[0], quant(o)), 'o_gain')
        if variant['experts']:
            x = experts(blob, layer, variant, x, norm(x, inv_dim, eps))
        elif layer['ffn']:
            a = quant(x) if behind else norm(x, inv_dim, eps)
            u, activation = gemv(weight[2], a), int(variant['activation'])
            if activation == ACTIVATION_GELU:
                h = gelu(u)
            else:
                h = GATED[activation](gemv(weight[1], a), u)
            if activation != ACTIVATION_PLAIN:
                h = hadamard(h, 64)
            x = joined(x, gemv(weight[3], quant(h)), 'down_gain')
    y = gemv(blob.tensor(m['head']), norm(x, inv_dim, eps))
    if blob.head_ids is None:
        return y
    out = np.full((len(y), int(m['vocab'])), -np.inf, f32)
    out[:, blob.head_ids] = y
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('model', type=pathlib.Path)
    p.add_argument('--ids', required=True)
    p.add_argument('-o', '--out', required=True)
    p.add_argument('--kv', choices=KV_BITS, default='8')
    a = p.parse_args()
    y = logits(Blob(a.model), [int(i) for i in a.ids.split(',')], a.kv)
    y.astype('<f4').tofile(a.out)
    print(json.dumps({'positions': y.shape[0], 'vocab': y.shape[1]}))


if __name__ == '__main__':
    main()
