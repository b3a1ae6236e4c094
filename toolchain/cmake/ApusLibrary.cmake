# Makes libapus.a and libapus.so from the layers, and libapus_parts.a for tests and tools that use
# inner functions. The files for each instruction set are compiled with its own flags.
set(APUS_FLAGS_avx2 -mavx2)
set(APUS_FLAGS_avxvnni -mavx2) # vpdpbusd is written by hand
set(APUS_FLAGS_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    foreach(isa avx2 avxvnni avx512)
        file(GLOB isa_sources ${PROJECT_SOURCE_DIR}/cpu/${isa}_*.c)
        set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS
                                    "${APUS_FLAGS_${isa}}")
    endforeach()
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
    file(GLOB isa_sources ${PROJECT_SOURCE_DIR}/cpu/neon_*.c)
    set_source_files_properties(${isa_sources} PROPERTIES COMPILE_OPTIONS
                                -march=armv8.2-a+dotprod)
endif()

set(objects "")
foreach(layer ${APUS_LAYERS})
    list(APPEND objects $<TARGET_OBJECTS:${layer}>)
endforeach()
find_package(Threads)

# Every object by itself, so that the names that files share inside the library can be used. Never
# installed.
add_library(apus_parts STATIC ${objects})
target_include_directories(apus_parts INTERFACE ${PROJECT_SOURCE_DIR}/include)

# All objects as one, in which only what the headers declare stays visible, because a program may
# have an `evaluate` of its own. Some sections are in groups, of which a linker keeps one copy
# (thunks in 32 bits and against Spectre). These groups are dissolved: otherwise a program's linker
# could keep the program's copy and drop ours, to which names that are local now refer.
separate_arguments(link_flags UNIX_COMMAND "${CMAKE_C_FLAGS}")
include(CheckLinkerFlag)
check_linker_flag(C -Wl,--force-group-allocation APUS_LINKER_DISSOLVES)
if(APUS_LINKER_DISSOLVES)
    list(APPEND link_flags -Wl,--force-group-allocation)
endif()
set(whole ${PROJECT_BINARY_DIR}/apus.o)
set(hide --localize-hidden)
if(WIN32) # whose objects know no hidden names
    include(ApusExports)
    apus_definition_file(${PROJECT_BINARY_DIR}/apus.def ${PROJECT_BINARY_DIR}/apus.names)
    set(hide --keep-global-symbols=${PROJECT_BINARY_DIR}/apus.names)
endif()
add_custom_command(
    OUTPUT ${whole}
    COMMAND ${CMAKE_C_COMPILER} ${link_flags} -r -nostdlib -o ${whole} ${objects}
    COMMAND ${CMAKE_OBJCOPY} ${hide} ${whole}
    DEPENDS ${objects}
    COMMENT "One object for libapus.a"
    COMMAND_EXPAND_LISTS VERBATIM)
# An image has no libc: the five functions, in an object that a linker takes where they are missing.
if(APUS_PORT STREQUAL "none")
    add_library(apus_memory OBJECT ${PROJECT_SOURCE_DIR}/port/image_memory.c)
    target_compile_options(apus_memory PRIVATE ${APUS_IMAGE_FLAGS} -fno-builtin
                           $<$<C_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns>)
    set_target_properties(apus_memory PROPERTIES POSITION_INDEPENDENT_CODE ON)
    set(memory $<TARGET_OBJECTS:apus_memory>)
endif()
add_library(apus_static STATIC ${whole} ${memory})
set_source_files_properties(${whole} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(apus_static PROPERTIES OUTPUT_NAME apus LINKER_LANGUAGE C)
target_include_directories(apus_static INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
add_library(apus::apus_static ALIAS apus_static)
if(APUS_PORT STREQUAL "posix")
    target_link_libraries(apus_parts INTERFACE Threads::Threads)
    target_link_libraries(apus_static INTERFACE Threads::Threads)
    add_library(apus_shared SHARED ${objects})
    set_target_properties(apus_shared PROPERTIES OUTPUT_NAME apus VERSION ${PROJECT_VERSION}
                          SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(apus_shared INTERFACE
                               $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(apus_shared PRIVATE Threads::Threads)
    if(UNIX AND NOT APPLE)
        include(ApusExports)
        apus_version_script(${PROJECT_BINARY_DIR}/libapus.map)
        target_link_options(apus_shared PRIVATE
                            -Wl,--version-script,${PROJECT_BINARY_DIR}/libapus.map)
        set_target_properties(apus_shared PROPERTIES LINK_DEPENDS ${PROJECT_BINARY_DIR}/libapus.map)
    endif()
    add_library(apus::apus ALIAS apus_shared)
endif()
if(APUS_PORT STREQUAL "windows")
    # WaitOnAddress, which kernel32 has not
    target_link_libraries(apus_parts INTERFACE synchronization)
    target_link_libraries(apus_static INTERFACE synchronization)
    add_library(apus_shared SHARED ${objects} ${PROJECT_BINARY_DIR}/apus.def)
    set_target_properties(apus_shared PROPERTIES OUTPUT_NAME apus PREFIX "")
    target_include_directories(apus_shared INTERFACE
                               $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
    target_link_libraries(apus_shared PRIVATE synchronization)
    add_library(apus::apus ALIAS apus_shared)
endif()
