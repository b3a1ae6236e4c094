# apus_public_names(OUT HEADERS...): the functions that public headers declare, which begin in the
# first column there. tests/guards/symbols.py holds the built library against them.
function(apus_public_names out)
    set(names "")
    foreach(header ${ARGN})
        set(path ${PROJECT_SOURCE_DIR}/include/apus/${header})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
        file(STRINGS ${path} lines REGEX "^[A-Za-z].*[ *]apus_[a-z0-9_]+\\(")
        foreach(line ${lines})
            if(line MATCHES "^[A-Za-z][^(]*[ *](apus_[a-z0-9_]+)\\(")
                list(APPEND names ${CMAKE_MATCH_1})
            endif()
        endforeach()
    endforeach()
    list(SORT names)
    set(${out} "${names}" PARENT_SCOPE)
endfunction()

# apus_version_script(FILE): for ELF linkers. Every public function has the version APUS_N, N being
# that of the soname; all else stays inside, and of two libraries in a process each finds its own.
function(apus_version_script file)
    set(headers apus.h port.h)
    if(APUS_TRACE)
        list(APPEND headers trace.h)
    endif()
    apus_public_names(names ${headers})
    list(JOIN names ";\n        " lines)
    set(APUS_EXPORTS "global:\n        ${lines};\n    local:\n        *;")
    file(CONFIGURE OUTPUT ${file} CONTENT
         "APUS_${PROJECT_VERSION_MAJOR} {\n    @APUS_EXPORTS@\n};\n" @ONLY)
endfunction()

# apus_definition_file(DEF NAMES): for linkers of Windows, which export what a definition file
# lists. NAMES gets the same names alone, one on each line, for objcopy.
function(apus_definition_file definition names_file)
    set(headers apus.h port.h)
    if(APUS_TRACE)
        list(APPEND headers trace.h)
    endif()
    apus_public_names(names ${headers})
    list(JOIN names "\n    " lines)
    file(CONFIGURE OUTPUT ${definition} CONTENT "LIBRARY apus.dll\nEXPORTS\n    ${lines}\n")
    list(JOIN names "\n" lines)
    file(CONFIGURE OUTPUT ${names_file} CONTENT "${lines}\n")
endfunction()
