# The overlays for NPUs, if AMD's tools are installed: `cmake --build build/release --target
# npu_overlays` makes npu-xdna1.xclbin and npu-xdna2.xclbin in the build folder. It uses
#   MLIR-AIE: aiecc (or aiecc.py) and a Python with its package `aie`: on the PATH, as its
#     environment script leaves them, or APUS_AIECC and APUS_AIE_PYTHON
#   Peano, the tiles' compiler: PEANO_INSTALL_DIR, from the environment or the cache
#   xclbinutil: on the PATH
# Without one of them there is no such target. NOT YET RUN with these tools (docs/npu.md).
set(PEANO_INSTALL_DIR "$ENV{PEANO_INSTALL_DIR}" CACHE PATH
    "Peano, the compiler of an NPU's tiles (llvm-aie)")
if(NOT PEANO_INSTALL_DIR)
    return() # otherwise another clang++ would be found
endif()
find_program(APUS_AIECC NAMES aiecc aiecc.py)
find_program(APUS_AIE_PYTHON NAMES python3 DOC "Python with mlir-aie's package aie")
find_program(APUS_XCLBINUTIL NAMES xclbinutil)
find_program(APUS_PEANO NAMES clang++ PATHS ${PEANO_INSTALL_DIR}/bin NO_DEFAULT_PATH)
if(NOT (APUS_AIECC AND APUS_AIE_PYTHON AND APUS_XCLBINUTIL AND APUS_PEANO))
    return()
endif()
execute_process(COMMAND ${APUS_AIE_PYTHON}
                -c "from aie.utils.config import root_path; print(root_path())"
                OUTPUT_VARIABLE aie_root OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE no_aie
                ERROR_QUIET)
if(no_aie)
    message(STATUS "no NPU overlays: ${APUS_AIE_PYTHON} has no package aie "
                   "(APUS_AIE_PYTHON names another)")
    return()
endif()

set(npu ${CMAKE_CURRENT_SOURCE_DIR}/npu)
foreach(array_target xdna1:aie2 xdna2:aie2p)
    string(REPLACE ":" ";" pair ${array_target})
    list(GET pair 0 array)
    list(GET pair 1 target)
    set(folder ${PROJECT_BINARY_DIR}/npu-overlay-${array})
    file(MAKE_DIRECTORY ${folder})
    add_custom_command(OUTPUT ${folder}/apus_npu.o
                       COMMAND ${APUS_PEANO} -O2 -std=c++20 --target=${target}-none-unknown-elf
                       -DNDEBUG -I${aie_root}/include -I${CMAKE_CURRENT_SOURCE_DIR}
                               -c ${npu}/aie/gemv.cc -o ${folder}/apus_npu.o
                       DEPENDS ${npu}/aie/gemv.cc ${npu}/aie/gemv.h VERBATIM)
    add_custom_command(OUTPUT ${folder}/design.mlir
                       COMMAND ${APUS_AIE_PYTHON} ${npu}/aie/design.py ${array}
                       ${folder}/design.mlir
                       DEPENDS ${npu}/aie/design.py ${npu}/aie/gemv.h ${npu}/gemv.h ${npu}/array.h
                       VERBATIM)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/npu-${array}.xclbin
                       COMMAND ${APUS_AIECC} --no-xchesscc --no-xbridge --peano=${PEANO_INSTALL_DIR}
                       --aie-generate-xclbin
                               --xclbin-name=${PROJECT_BINARY_DIR}/npu-${array}.xclbin design.mlir
                       DEPENDS ${folder}/design.mlir ${folder}/apus_npu.o
                       WORKING_DIRECTORY ${folder} VERBATIM)
    list(APPEND overlays ${PROJECT_BINARY_DIR}/npu-${array}.xclbin)
endforeach()
add_custom_target(npu_overlays DEPENDS ${overlays})
