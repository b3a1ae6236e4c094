# apus_view(NAME what...): makes a tree of links for the include path of folder NAME, with only what
# the folder may include: itself, the listed folders, single headers (weights/format.h) or `apus`
# (include/apus). A forbidden #include is a compile error. If a listed folder contains rooms, only
# its own headers are linked.
function(apus_view name)
    string(REPLACE "/" "_" folder ${name})
    set(view ${PROJECT_BINARY_DIR}/may_include/${folder})
    file(REMOVE_RECURSE ${view})
    foreach(item ${name} ${ARGN})
        if(item STREQUAL "apus")
            set(items apus)
            set(apus_from ${PROJECT_SOURCE_DIR}/include)
        elseif(item MATCHES "^(weights(/pack)?|bench)$")
            set(apus_from ${PROJECT_SOURCE_DIR})
            file(GLOB items CONFIGURE_DEPENDS RELATIVE ${apus_from} ${apus_from}/${item}/*.h)
        else()
            set(items ${item})
            set(apus_from ${PROJECT_SOURCE_DIR})
        endif()
        foreach(link ${items})
            get_filename_component(parent ${view}/${link} DIRECTORY)
            file(MAKE_DIRECTORY ${parent})
            file(CREATE_LINK ${apus_from}/${link} ${view}/${link} SYMBOLIC)
        endforeach()
    endforeach()
endfunction()

# apus_room(NAME MAY_INCLUDE what... [EXCEPT files...]): makes an object library, with such a view,
# from the .c files of folder NAME of a tool (a "room"). For weights/pack/vocab it is named
# apus_weights_pack_vocab.
function(apus_room name)
    cmake_parse_arguments(PARSE_ARGV 1 L "" "" "MAY_INCLUDE;EXCEPT")
    string(REPLACE "/" "_" folder ${name})
    set(target apus_${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.c)
    foreach(file ${L_EXCEPT})
        list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/${name}/${file})
    endforeach()
    apus_view(${name} ${L_MAY_INCLUDE})
    add_library(${target} OBJECT ${sources})
    target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/may_include/${folder})
    target_compile_options(${target} PRIVATE -D_GNU_SOURCE)
endfunction()

# apus_program(FOLDER MAY_INCLUDE what... TARGETS target...): makes such a view for programs whose
# files are in a folder of their own, such as bench/npu. Their targets must exist already.
function(apus_program name)
    cmake_parse_arguments(PARSE_ARGV 1 L "" "" "MAY_INCLUDE;TARGETS")
    string(REPLACE "/" "_" folder ${name})
    apus_view(${name} ${L_MAY_INCLUDE})
    foreach(target ${L_TARGETS})
        target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/may_include/${folder})
    endforeach()
endfunction()

# apus_layer(NAME MAY_INCLUDE what...): makes the object library apus_NAME from a folder of the
# library, with such a view and with the rules of the library.
set(APUS_LAYERS "" CACHE INTERNAL "")
function(apus_layer name)
    cmake_parse_arguments(PARSE_ARGV 1 L "" "" "MAY_INCLUDE")
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${name}/*.c)
    if(name STREQUAL "port")
        file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/port/${APUS_PORT}.c
             ${PROJECT_SOURCE_DIR}/port/${APUS_PORT}_*.c)
    endif()
    if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64") # these files use its intrinsics
        list(FILTER sources EXCLUDE REGEX "/cpu/avx[^/]*$")
    endif()
    if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
        list(FILTER sources EXCLUDE REGEX "/cpu/neon[^/]*$")
    endif()
    foreach(s ${sources})
        if(NOT EXISTS ${s})
            list(REMOVE_ITEM sources ${s})
        endif()
    endforeach()
    if(NOT sources)
        return()
    endif()
    apus_view(${name} ${L_MAY_INCLUDE})
    add_library(apus_${name} OBJECT ${sources})
    target_include_directories(apus_${name} PRIVATE ${PROJECT_BINARY_DIR}/may_include/${name})
    set_target_properties(apus_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON
                          C_VISIBILITY_PRESET hidden)
    if(NOT name STREQUAL "port")
        target_compile_options(apus_${name} PRIVATE -ffreestanding -fstack-usage)
        # sanitizers make frames larger, which is not in what is shipped
        if(NOT APUS_SANITIZE)
            target_compile_options(apus_${name} PRIVATE -Wframe-larger-than=4096)
        endif()
        if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
            target_compile_options(apus_${name} PRIVATE -fcallgraph-info=su) # for guards/stack.py
        endif()
    endif()
    if(APUS_PORT STREQUAL "none")
        target_compile_options(apus_${name} PRIVATE ${APUS_IMAGE_FLAGS})
    endif()
    set(APUS_LAYERS ${APUS_LAYERS} apus_${name} CACHE INTERNAL "")
endfunction()
