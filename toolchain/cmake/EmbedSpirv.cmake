# Writes the words of a SPIR-V file (FROM) as C integers (TO). The file is little-endian, as
# compilers on little-endian machines write it.
file(READ ${FROM} hex HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1,\n" words "${hex}")
file(WRITE ${TO} "${words}")
