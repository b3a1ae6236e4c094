// What every shader begins with: bindings, the pass's arguments, and the scalar functions of
// docs/numerics.md 1 to 3.
//
// Buffers that hold floats and integers have floats as their bits, so that no memory is declared
// with two types. Every float that is computed is `precise`: then glslang decorates the operation
// with NoContraction, also in helper functions. tests/igpu/spirv.py checks that every float
// operation has it.
#extension GL_EXT_spirv_intrinsics : require
#extension GL_EXT_control_flow_attributes : require
spirv_execution_mode(capabilities = [4467], 4462, 32); // RoundingModeRTE for 32 bits

layout(local_size_x = 64) in;

// igpu/push.h has the same words.
const uint ARGS_COLUMNS = 0, ARGS_LOGITS_FROM = 1, ARGS_END = 2, ARGS_TABLE = 16, COLUMN_WORDS = 8;
const uint COLUMN_SLOT = 0, COLUMN_RANGES = 1, COLUMN_TAIL = 2, COLUMN_MASK = 3, COLUMN_SCALE = 4;

layout(set = 0, binding = 0, std430) readonly buffer Args { uint args[]; };
layout(set = 0, binding = 1, std430) buffer Status { uint status_bad; };
layout(set = 0, binding = 2, std430) readonly buffer Rows { float rows[]; };

// How many columns an operation has (all of the pass, or with tail != 0 those that want logits),
// and the first of them.
uint op_columns(uint tail) {
    return tail != 0 ? args[ARGS_COLUMNS] - args[ARGS_LOGITS_FROM] : args[ARGS_COLUMNS];
}
uint op_first(uint tail) { return tail != 0 ? args[ARGS_LOGITS_FROM] : 0; }
uint column_word(uint column, uint word) { return args[ARGS_TABLE + column * COLUMN_WORDS + word]; }

bool bad = false; // of this invocation
void report_bad() {
    if (bad) atomicOr(status_bad, 1u);
}

const uint SNAP_LOW = 0x26800000u, SNAP_HIGH = 0x58800000u; // 2^-50, 2^50

uint magnitude_bits(float x) { return floatBitsToUint(x) & 0x7fffffffu; }

float num_snap(float x) {
    uint m = magnitude_bits(x);
    if (m > SNAP_HIGH) bad = true;
    return m < SNAP_LOW || m > SNAP_HIGH ? 0.0 : x;
}

float num_rint(float x) {
    precise float t = x + 12582912.0;
    precise float r = t - 12582912.0;
    return r;
}

float num_recip(float x) {
    precise float r = uintBitsToFloat(0x7EF311C3u - floatBitsToUint(x));
    for (int i = 0; i < 3; i++) {
        precise float t = x * r;
        t = 2.0 - t;
        r = r * t;
    }
    return r;
}

float num_rsqrt(float x) {
    precise float r = uintBitsToFloat(0x5F375A86u - (floatBitsToUint(x) >> 1));
    precise float h = 0.5 * x;
    for (int i = 0; i < 3; i++) {
        precise float t = r * r;
        t = h * t;
        t = 1.5 - t;
        r = r * t;
    }
    return r;
}

float num_exp2(float t) {
    float n = num_rint(t);
    precise float f = t - n;
    if (magnitude_bits(f) < SNAP_LOW) f = 0.0;
    precise float p = uintBitsToFloat(0x3920fddeu); // c6 .. c1
    p = p * f;
    p = p + uintBitsToFloat(0x3aaf9f2au);
    p = p * f;
    p = p + uintBitsToFloat(0x3c1d96a6u);
    p = p * f;
    p = p + uintBitsToFloat(0x3d635774u);
    p = p * f;
    p = p + uintBitsToFloat(0x3e75fdeeu);
    p = p * f;
    p = p + uintBitsToFloat(0x3f317218u);
    p = p * f;
    p = p + 1.0;
    return uintBitsToFloat(floatBitsToUint(p) + (uint(int(n)) << 23));
}

// The factor that quantizes a vector whose largest magnitude has these bits; 0 if everything
// becomes 0.
float quant_factor(uint largest) {
    float a = num_snap(uintBitsToFloat(largest));
    if (a == 0.0) return 0.0;
    precise float v = 127.0 * num_recip(a);
    return v;
}

float quant_scale(uint largest) {
    float a = num_snap(uintBitsToFloat(largest));
    if (a == 0.0) return 0.0;
    precise float s = a * uintBitsToFloat(0x3c010204u); // the float nearest 1/127
    return num_snap(s);
}

int quantize(float x, float factor) {
    precise float t = x * factor;
    t = num_rint(t);
    return int(t < -127.0 ? -127.0 : t > 127.0 ? 127.0 : t);
}

uint pack4(ivec4 q) {
    return (uint(q.x) & 255u) | (uint(q.y) & 255u) << 8 | (uint(q.z) & 255u) << 16 |
           uint(q.w) << 24;
}
