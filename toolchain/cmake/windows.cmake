# For the preset `windows`: programs for Windows on x86-64, by MinGW-w64 on Linux.
# toolchain/windows.sh installs that, and puts the libraries of the tools and tests into
# build/windows-parts. Programs are linked statically: they need nothing that Windows does not have.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static)
# The stack is aligned to 16 bytes there, and gcc spills vectors of 32 and 64 to it as if it were
# more (its bug 54412): let the assembler write moves that take any address.
set(CMAKE_C_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
get_filename_component(wine ${CMAKE_CURRENT_LIST_DIR}/../windows.sh ABSOLUTE)
set(CMAKE_CROSSCOMPILING_EMULATOR sh ${wine} run)
get_filename_component(parts ${CMAKE_CURRENT_LIST_DIR}/../../build/windows-parts/root ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${parts} /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(ENV{PKG_CONFIG_LIBDIR} ${parts}/lib/pkgconfig)
set(CMAKE_C_STANDARD_INCLUDE_DIRECTORIES ${parts}/include)
