# Run by CPack between installing and packing: licence and changes, manual pages packed, archives
# without what a linker does not read. Times are those of the source, so that the same source gives
# the same files.
cmake_policy(VERSION 3.20)
find_program(gzip gzip REQUIRED)
find_program(strip strip REQUIRED)

function(packed file)
    execute_process(COMMAND ${gzip} -9 -n -f ${file} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(from ${CPACK_APUS_SOURCE})
file(TIMESTAMP ${from}/CHANGELOG.md day "%a, %d %b %Y 00:00:00 +0000" UTC)
foreach(pair ${CPACK_APUS_PACKAGES})
    string(REPLACE ":" ";" pair ${pair})
    list(GET pair 0 component)
    list(GET pair 1 package)
    set(root ${CPACK_TEMPORARY_DIRECTORY}/${component}${CPACK_PACKAGING_INSTALL_PREFIX})
    if(NOT IS_DIRECTORY ${root})
        continue()
    endif()
    set(doc ${root}/share/doc/${package})
    file(COPY ${from}/toolchain/debian/copyright DESTINATION ${doc})
    file(WRITE ${doc}/changelog.Debian
         "apus (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; "
         "urgency=medium\n\n  * Packages of this version; changelog.gz has the changes.\n\n"
         " -- ${CPACK_PACKAGE_CONTACT}  ${day}\n")
    configure_file(${from}/CHANGELOG.md ${doc}/changelog COPYONLY) # file(COPY_FILE) is newer
    packed(${doc}/changelog)
    packed(${doc}/changelog.Debian)
    file(GLOB pages ${root}/share/man/man1/*.1)
    foreach(page ${pages})
        packed(${page})
    endforeach()
    file(GLOB_RECURSE archives ${root}/lib/*.a)
    foreach(archive ${archives})
        execute_process(COMMAND ${strip} --strip-debug --enable-deterministic-archives
                        --remove-section=.comment ${archive} COMMAND_ERROR_IS_FATAL ANY)
    endforeach()
    file(GLOB_RECURSE texts LIST_DIRECTORIES true ${root}/*)
    foreach(file ${texts})
        if(IS_DIRECTORY ${file} OR file MATCHES "/bin/")
            file(CHMOD ${file} PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
                 GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
        elseif(NOT IS_SYMLINK ${file})
            file(CHMOD ${file} PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
        endif()
    endforeach()
endforeach()
