# Compiler flags for all files. The numeric contract needs plain IEEE arithmetic: no contraction, no
# fast-math.
include(CheckCCompilerFlag)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

# Sizes of files have 64 bits, even if addresses have 32.
add_compile_definitions(_FILE_OFFSET_BITS=64)
add_compile_options(-ffp-contract=off -fno-fast-math -fno-trapping-math -fno-strict-aliasing -Wall
                    -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
                    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes> -Wvla -Wundef -Wpointer-arith
                    -Wwrite-strings)
# A switch over the kinds of operations or of weights names all kinds, so that a new kind is a
# compile error wherever it is missing. tests/guards/kinds.py checks that no such switch has a
# default.
add_compile_options(-Werror=switch)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wlogical-op)
endif()
if(APUS_STRICT)
    add_compile_options(-Werror)
endif()
if(APUS_SANITIZE)
    add_compile_options(-fsanitize=${APUS_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer -g)
    add_link_options(-fsanitize=${APUS_SANITIZE})
    # These sanitizers do not see that a variable was never written. Filled with a pattern that is
    # no address, such a variable fails at once, and always in the same way.
    check_c_compiler_flag(-ftrivial-auto-var-init=pattern APUS_HAS_AUTO_VAR_INIT)
    if(APUS_HAS_AUTO_VAR_INIT)
        add_compile_options(-ftrivial-auto-var-init=pattern)
    endif()
endif()
# For images without an operating system. What distributions switch on asks for functions that no
# image has; nothing there unwinds a stack.
set(APUS_IMAGE_FLAGS -ffreestanding -fno-stack-protector -U_FORTIFY_SOURCE
                     -fno-asynchronous-unwind-tables -fno-unwind-tables
                     -isystem ${PROJECT_SOURCE_DIR}/port/bare)
