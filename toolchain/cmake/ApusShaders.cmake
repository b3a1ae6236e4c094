# Decides whether the igpu engine is built (APUS_IGPU_BUILT), and compiles its shaders from GLSL to
# SPIR-V, whose words a C array includes. Needs the Vulkan headers (1.3.204 or newer:
# VK_KHR_shader_integer_dot_product in its core form) and glslc or glslangValidator. Nothing is
# linked: the library opens the Vulkan loader by name when the engine is asked for.
set(APUS_IGPU_BUILT OFF)
if(APUS_PORT STREQUAL "none")
    set(wanted OFF)
else()
    set(wanted ${APUS_IGPU})
endif()
if(wanted)
    find_path(APUS_VULKAN_HEADERS vulkan/vulkan_core.h)
    find_program(APUS_GLSLC NAMES glslc)
    find_program(APUS_GLSLANG NAMES glslangValidator glslang)
    set(missing "")
    if(NOT APUS_VULKAN_HEADERS)
        list(APPEND missing "the Vulkan headers (vulkan/vulkan_core.h)")
    endif()
    if(NOT APUS_GLSLC AND NOT APUS_GLSLANG)
        list(APPEND missing "a shader compiler (glslangValidator or glslc)")
    endif()
    if(missing AND APUS_IGPU STREQUAL "AUTO")
        list(JOIN missing " and " missing)
        message(STATUS "Without the igpu engine: ${missing} not found")
    elseif(missing)
        list(JOIN missing " and " missing)
        message(FATAL_ERROR
                "APUS_IGPU needs ${missing}. Debian and Ubuntu: libvulkan-dev glslang-tools")
    else()
        set(APUS_IGPU_BUILT ON)
    endif()
endif()

# Compiles one shader to build/spirv/OUT.spv and OUT.inc.
function(apus_shader name out)
    set(source ${PROJECT_SOURCE_DIR}/igpu/shaders/${name}.comp)
    set(to ${PROJECT_BINARY_DIR}/spirv/${out})
    file(GLOB parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/igpu/shaders/*.glsl)
    if(APUS_GLSLANG)
        set(compile ${APUS_GLSLANG} --quiet -V --target-env vulkan1.2
            -I${PROJECT_SOURCE_DIR}/igpu/shaders ${ARGN} -o ${to}.spv ${source})
    else()
        set(compile ${APUS_GLSLC} --target-env=vulkan1.2 -I ${PROJECT_SOURCE_DIR}/igpu/shaders
            ${ARGN} -o ${to}.spv ${source})
    endif()
    add_custom_command(
        OUTPUT ${to}.spv ${to}.inc
        COMMAND ${compile}
        COMMAND ${CMAKE_COMMAND} -DFROM=${to}.spv -DTO=${to}.inc -P
        ${PROJECT_SOURCE_DIR}/toolchain/cmake/EmbedSpirv.cmake
        DEPENDS ${source} ${parts} ${PROJECT_SOURCE_DIR}/toolchain/cmake/EmbedSpirv.cmake
        COMMENT "Shader ${out}"
        VERBATIM)
    set(APUS_SHADER_WORDS ${APUS_SHADER_WORDS} ${to}.inc PARENT_SCOPE)
endfunction()

function(apus_checked_in_shader name)
    set(to ${PROJECT_BINARY_DIR}/spirv/${name})
    set(from ${PROJECT_SOURCE_DIR}/igpu/shaders/${name}.spv)
    add_custom_command(
        OUTPUT ${to}.spv ${to}.inc
        COMMAND ${CMAKE_COMMAND} -E copy ${from} ${to}.spv
        COMMAND ${CMAKE_COMMAND} -DFROM=${to}.spv -DTO=${to}.inc -P
        ${PROJECT_SOURCE_DIR}/toolchain/cmake/EmbedSpirv.cmake
        DEPENDS ${from} ${PROJECT_SOURCE_DIR}/toolchain/cmake/EmbedSpirv.cmake
        COMMENT "Shader ${name}"
        VERBATIM)
    set(APUS_SHADER_WORDS ${APUS_SHADER_WORDS} ${to}.inc PARENT_SCOPE)
endfunction()

# Compiles all shaders for layer `layer`, which includes them as spirv/NAME.inc.
function(apus_shaders layer)
    set(APUS_SHADER_WORDS "")
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/spirv)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/igpu/shaders/*.comp)
    foreach(source ${sources})
        get_filename_component(name ${source} NAME_WE)
        # this one is in the repository as compiled, because common compilers do not know its
        # extensions
        if(EXISTS ${PROJECT_SOURCE_DIR}/igpu/shaders/${name}.spv)
            apus_checked_in_shader(${name})
            continue()
        endif()
        apus_shader(${name} ${name})
        file(READ ${source} text)
        if(text MATCHES "dot\\.glsl") # a second time, with integer dot products
            apus_shader(${name} ${name}_dot -DDOT)
        endif()
    endforeach()
    file(CREATE_LINK ${PROJECT_BINARY_DIR}/spirv ${PROJECT_BINARY_DIR}/may_include/${layer}/spirv
         SYMBOLIC)
    add_custom_target(apus_shader_words DEPENDS ${APUS_SHADER_WORDS})
    # The compiler names the words by the link above, which the build does not know as its outputs.
    set_source_files_properties(${PROJECT_SOURCE_DIR}/igpu/shaders.c
                                PROPERTIES OBJECT_DEPENDS "${APUS_SHADER_WORDS}")
    add_dependencies(apus_${layer} apus_shader_words)
endfunction()
