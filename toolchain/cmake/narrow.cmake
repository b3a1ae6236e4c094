# For the preset `narrow`: programs whose addresses have 32 bits, on x86-64. Floats are in SSE2
# registers, because x87 rounds twice, and the kernels are those in plain C. toolchain/i386.sh puts
# the libraries of the tests into build/i386.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_C_COMPILER gcc)
set(CMAKE_C_FLAGS_INIT "-m32 -msse2 -mfpmath=sse")
get_filename_component(i386 ${CMAKE_CURRENT_LIST_DIR}/../../build/i386/root ABSOLUTE)
set(ENV{PKG_CONFIG_LIBDIR} ${i386}/usr/lib/i386-linux-gnu/pkgconfig)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${i386})
