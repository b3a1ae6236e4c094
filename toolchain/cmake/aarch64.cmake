# For images on AArch64 without an operating system: clang and lld, which have it beside the host's
# code. cmake --preset firmware -B build/aarch64 --toolchain toolchain/cmake/aarch64.cmake
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER clang)
set(CMAKE_ASM_COMPILER clang)
set(CMAKE_C_FLAGS_INIT "--target=aarch64-none-elf")
set(CMAKE_ASM_FLAGS_INIT "--target=aarch64-none-elf")
find_program(CMAKE_OBJCOPY NAMES llvm-objcopy llvm-objcopy-14 PATHS /usr/lib/llvm-14/bin)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # a program needs the image's own start
set(APUS_LINKER_DISSOLVES OFF CACHE INTERNAL "lld has no such option, and there are no such groups")
