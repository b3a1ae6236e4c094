# Debian packages of the components, by `cpack -G DEB` (toolchain/packages.sh): libapus0,
# libapus-dev, apus, apus-models, apus-plugins.
set(APUS_MAINTAINER "Apus maintainers <maintainers@apus.invalid>" CACHE STRING
    "Who answers for the Debian packages")
set(soname_package libapus${PROJECT_VERSION_MAJOR})
set(CPACK_PACKAGE_NAME apus)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "${APUS_MAINTAINER}")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime dev tools models plugins)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(own_version "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")

# apus_package(COMPONENT NAME SECTION SUMMARY TEXT): the text's lines are those of the description.
macro(apus_package component name section summary text)
    string(TOUPPER ${component} upper)
    set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
    set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
    set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}")
    set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}")
endmacro()
apus_package(runtime ${soname_package} libs "text generation by language models, shared library"
             "Apus runs a language model on an ordinary processor. It lives in memory\n\
that the caller hands over, and a text is the same on every machine.\n\
.\n\
This package has what programs need that are linked with it.")
apus_package(dev libapus-dev libdevel "text generation by language models, development files"
             "Headers, the static library, and what pkg-config and CMake ask, for\n\
programs that write text with a language model by Apus.")
apus_package(tools apus utils "command line for language models on ordinary processors"
             "apus writes text with a language model, holds conversations, measures,\n\
and completes code for editors. apus-pack makes the file that it runs\n\
from a checkpoint.")
apus_package(models apus-models misc "pair of small language models for Apus"
             "A model of 8.7 million parameters that writes Python, and one of a\n\
million that proposes for it: to try Apus with.")
apus_package(plugins apus-plugins editors "plug-ins for Apus and for editors"
             "Completion by a language model in Neovim; and, where the build had\n\
AMD's runtime, the provider of neural processors.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${soname_package} (= ${own_version})")
set(CPACK_DEBIAN_TOOLS_PACKAGE_SUGGESTS apus-models)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_DEPENDS apus)
set(CPACK_DEBIAN_PLUGINS_PACKAGE_ENHANCES neovim)
set(CPACK_DEBIAN_MODELS_PACKAGE_ARCHITECTURE all)
if(NOT TARGET apus_xrt AND NOT TARGET npu_overlays)
    set(CPACK_DEBIAN_PLUGINS_PACKAGE_ARCHITECTURE all)
endif()
foreach(component RUNTIME DEV)
    set(CPACK_DEBIAN_${component}_PACKAGE_MULTI_ARCH same)
endforeach()

# What packages that are built with this one depend on, and who learns of the new library.
file(WRITE ${PROJECT_BINARY_DIR}/debian-control/shlibs
     "libapus ${PROJECT_VERSION_MAJOR} ${soname_package} (>= ${PROJECT_VERSION})\n")
file(WRITE ${PROJECT_BINARY_DIR}/debian-control/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/debian-control/shlibs
    ${PROJECT_BINARY_DIR}/debian-control/triggers)

# What Debian wants of every package, put beside the installed files before they are packed.
set(CPACK_APUS_SOURCE ${PROJECT_SOURCE_DIR})
set(CPACK_APUS_PACKAGES runtime:${soname_package} dev:libapus-dev tools:apus models:apus-models
    plugins:apus-plugins)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/DebianFiles.cmake)
include(CPack)
