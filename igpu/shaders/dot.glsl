// The dot product of four signed bytes with four signed bytes: one instruction if the device has
// integer dot products (the plain form, never the saturating one), else shifts and multiplications.
// Both give the same integers.
#ifdef DOT
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018],
                  id = 4450)
int spirv_sdot(uint a, uint b, spirv_literal int format);
int dot4(uint a, uint b) { return spirv_sdot(a, b, 0); } // 0: packed vectors of 4 x 8 bits
#else
ivec4 unpack4(uint a) { return ivec4(int(a << 24), int(a << 16), int(a << 8), int(a)) >> 24; }
int dot4(uint a, uint b) {
    ivec4 p = unpack4(a) * unpack4(b);
    return p.x + p.y + p.z + p.w;
}
#endif
