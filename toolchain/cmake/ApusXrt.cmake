# libapus-xrt.so: the provider of NPUs over AMD's runtime (npu/provider_xrt.cpp). It is built if the
# runtime's headers and a C++ compiler are installed. It is not part of libapus; the engine opens it
# by name (--device provider=xrt).
if(TARGET apus_npu AND NOT APUS_XRT STREQUAL "OFF")
    find_path(APUS_XRT_INCLUDE xrt/experimental/xrt_xclbin.h PATHS /opt/xilinx/xrt/include)
    find_library(APUS_XRT_LIBRARY xrt_coreutil PATHS /opt/xilinx/xrt/lib /opt/xilinx/xrt/lib64)
    find_path(APUS_UUID_INCLUDE uuid/uuid.h) # the runtime's headers include this one
    mark_as_advanced(APUS_XRT_INCLUDE APUS_XRT_LIBRARY APUS_UUID_INCLUDE)
    include(CheckLanguage)
    check_language(CXX)
    if(APUS_XRT_INCLUDE AND APUS_XRT_LIBRARY AND APUS_UUID_INCLUDE AND CMAKE_CXX_COMPILER)
        enable_language(CXX)
        add_library(apus_xrt SHARED ${PROJECT_SOURCE_DIR}/npu/provider_xrt.cpp)
        set_target_properties(apus_xrt PROPERTIES OUTPUT_NAME apus-xrt CXX_STANDARD 17
                              CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
                              CXX_VISIBILITY_PRESET hidden
                              LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
        target_include_directories(apus_xrt PRIVATE ${PROJECT_SOURCE_DIR}
                                   ${PROJECT_SOURCE_DIR}/include)
        target_include_directories(apus_xrt SYSTEM PRIVATE ${APUS_XRT_INCLUDE} ${APUS_UUID_INCLUDE})
        target_link_libraries(apus_xrt PRIVATE ${APUS_XRT_LIBRARY})
        # never unloaded: the runtime has threads and objects that live until the process ends
        target_link_options(apus_xrt PRIVATE -Wl,-z,nodelete)
    elseif(APUS_XRT STREQUAL "ON")
        message(FATAL_ERROR "APUS_XRT is ON, but XRT's headers (libxrt-dev, uuid-dev) or a C++ "
                            "compiler are missing")
    endif()
endif()
