#version 460
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "dot.glsl"
// The contract's operations on operands from memory. The host compares the results
// (igpu/device_selftest.c). One workgroup; each invocation takes one case.
layout(set = 0, binding = 5, std430) writeonly buffer Out { uint words[]; };

// A product and a sum, which a careless compiler contracts into an operation that rounds once.
float helper(float a, float b, float c) {
    precise float p = a * b;
    precise float s = p + c;
    return s;
}

void main() {
    uint t = gl_LocalInvocationID.x, at = t * 8;
    float a = uintBitsToFloat(args[t * 3]), b = uintBitsToFloat(args[t * 3 + 1]),
          c = uintBitsToFloat(args[t * 3 + 2]);
    precise float difference = a - c;
    words[at] = floatBitsToUint(helper(a, b, c));
    words[at + 1] = floatBitsToUint(difference);
    words[at + 2] = floatBitsToUint(num_recip(a));
    words[at + 3] = floatBitsToUint(num_rsqrt(b));
    words[at + 4] = floatBitsToUint(num_exp2(-b));
    words[at + 5] = floatBitsToUint(num_rint(c));
    words[at + 6] = floatBitsToUint(float(int(args[t * 3])));
    words[at + 7] = uint(dot4(args[t * 3], args[t * 3 + 1])) + uint(quantize(a, b));
}
