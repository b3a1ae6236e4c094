# Programs for Windows, for every folder that is added after it: their files see the calls of POSIX
# that MinGW lacks (apps/kit/windows_posix.h), in front and under the names of its missing headers,
# and their code page is UTF-8 (apps/kit/windows.manifest). The library itself knows nothing of it.
set(posix_headers ${PROJECT_BINARY_DIR}/posix)
foreach(header sys/file.h sys/mman.h sys/random.h sys/resource.h sys/utsname.h)
    file(CONFIGURE OUTPUT ${posix_headers}/${header} CONTENT "/* windows_posix.h has it */\n")
endforeach()
set(kit ${PROJECT_SOURCE_DIR}/apps/kit)
set(posix ${kit}/windows_posix.h)
foreach(header arpa/inet.h netdb.h netinet/tcp.h poll.h sys/socket.h)
    file(CONFIGURE OUTPUT ${posix_headers}/${header} CONTENT
         "#define KIT_WINDOWS_SOCKETS\n#include \"${posix}\"\n")
endforeach()

# part of every program, so that it is made here
set(manifest ${PROJECT_BINARY_DIR}/manifest)
file(CONFIGURE OUTPUT ${manifest}.rc CONTENT
     "1 24 \"${kit}/windows.manifest\"\n")
execute_process(COMMAND ${CMAKE_RC_COMPILER} ${manifest}.rc ${manifest}.o RESULT_VARIABLE failed)
if(failed)
    message(FATAL_ERROR "${CMAKE_RC_COMPILER} could not compile ${manifest}.rc")
endif()
string(APPEND CMAKE_EXE_LINKER_FLAGS " ${manifest}.o")

add_library(windows_posix STATIC ${kit}/windows_console.c ${kit}/windows_files.c
            ${kit}/windows_posix.c)
target_link_libraries(windows_posix PUBLIC ws2_32 iphlpapi winpthread)

include_directories(SYSTEM ${posix_headers})
add_compile_options(-include ${posix})
link_libraries(windows_posix)
