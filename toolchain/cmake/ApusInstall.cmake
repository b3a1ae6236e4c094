# What `cmake --install` lays down, by component:
#   runtime   libapus.so.N
#   dev       headers, libapus.a, libapus.so, apus.pc, the CMake package
#   tools     apus, apus-pack, their manual pages, completion for bash, zsh and fish
#   models    the pair of small models that ships
#   plugins   libapus-xrt.so and the overlays for NPUs, where they are built; the Neovim plug-in
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# ------------------------------------------------------------------------------------- library
set(installed_libraries apus_static)
if(TARGET apus_shared)
    list(APPEND installed_libraries apus_shared)
    set_target_properties(apus_shared PROPERTIES EXPORT_NAME apus)
endif()
install(TARGETS ${installed_libraries} EXPORT apusTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(installed_headers apus.h port.h)
if(TARGET apus_shared) # it allocates, which images cannot
    list(APPEND installed_headers easy.h)
endif()
if(APUS_TRACE)
    list(APPEND installed_headers trace.h)
endif()
list(TRANSFORM installed_headers PREPEND ${PROJECT_SOURCE_DIR}/include/apus/)
install(FILES ${installed_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/apus COMPONENT dev)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/apus)
install(EXPORT apusTargets NAMESPACE apus:: DESTINATION ${package_dir} COMPONENT dev)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/apusConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/apusConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# Before version 1 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/apusConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/apusConfig.cmake ${PROJECT_BINARY_DIR}/apusConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT dev)

# What the static library asks of the system, which the shared one has asked already: threads, and
# dlopen. Both are in glibc's libc since 2.34, where the names are those of empty archives.
set(APUS_PC_PRIVATE "")
if(WIN32)
    set(APUS_PC_PRIVATE "-lsynchronization")
elseif(TARGET apus_shared)
    set(APUS_PC_PRIVATE "-lpthread")
    if(CMAKE_DL_LIBS)
        string(APPEND APUS_PC_PRIVATE " -l${CMAKE_DL_LIBS}")
    endif()
endif()
# The prefix follows the file, so that a tree can be moved. An absolute folder stays what it is.
file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" APUS_PC_UP "${up}")
foreach(folder LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE ${CMAKE_INSTALL_${folder}})
        set(APUS_PC_${folder} ${CMAKE_INSTALL_${folder}})
        set(APUS_PC_UP "") # then the prefix is where it was configured
    else()
        set(APUS_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
    endif()
endforeach()
if(APUS_PC_UP)
    set(APUS_PC_PREFIX "\${pcfiledir}/${APUS_PC_UP}")
else()
    set(APUS_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/apus.pc.in ${PROJECT_BINARY_DIR}/apus.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/apus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
        COMPONENT dev)

# --------------------------------------------------------------------------------------- tools
if(TARGET apus AND TARGET apus-pack)
    install(TARGETS apus apus-pack RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
    install(FILES ${PROJECT_SOURCE_DIR}/docs/man/apus.1 ${PROJECT_SOURCE_DIR}/docs/man/apus-pack.1
            DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT tools)
    # The programs write their own completion, from the tables that their options are read by.
    if(NOT CMAKE_CROSSCOMPILING)
        set(completions "")
        foreach(shell bash zsh fish)
            set(file_bash @)
            set(file_zsh _@)
            set(file_fish @.fish)
            set(to_bash bash-completion/completions)
            set(to_zsh zsh/site-functions)
            set(to_fish fish/vendor_completions.d)
            foreach(program apus apus-pack)
                string(REPLACE @ ${program} name ${file_${shell}})
                set(out ${PROJECT_BINARY_DIR}/completion/${shell}/${name})
                set(ask --completion)
                if(program STREQUAL "apus")
                    set(ask help --completion)
                endif()
                file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/completion/${shell})
                add_custom_command(OUTPUT ${out}
                                   COMMAND $<TARGET_FILE:${program}> ${ask} ${shell} > ${out}
                                   DEPENDS ${program} VERBATIM)
                list(APPEND completions ${out})
                install(FILES ${out} DESTINATION ${CMAKE_INSTALL_DATADIR}/${to_${shell}}
                        COMPONENT tools)
            endforeach()
        endforeach()
        add_custom_target(completion ALL DEPENDS ${completions})
    endif()
    set(pair ${PROJECT_SOURCE_DIR}/weights/models/pair)
    install(FILES ${pair}/target.apus ${pair}/draft.apus ${pair}/README.md
            DESTINATION ${CMAKE_INSTALL_DATADIR}/apus/models/pair COMPONENT models)
endif()

# -------------------------------------------------------------------------------------- plugins
if(TARGET apus_xrt)
    install(TARGETS apus_xrt LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT plugins)
endif()
if(TARGET npu_overlays)
    install(FILES ${PROJECT_BINARY_DIR}/npu-xdna1.xclbin ${PROJECT_BINARY_DIR}/npu-xdna2.xclbin
            DESTINATION ${CMAKE_INSTALL_DATADIR}/apus COMPONENT plugins OPTIONAL)
endif()
if(TARGET apus)
    # where Neovim looks for packages by itself
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/editors/nvim/
            DESTINATION ${CMAKE_INSTALL_DATADIR}/nvim/site/pack/apus/start/apus COMPONENT plugins)
endif()
