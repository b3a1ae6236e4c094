# What somebody does who has the packages alone, on a new Debian: run in a chroot by
# toolchain/packages.sh, whose folder /stranger has README.md and tests/install/outside. The last
# line is "same text N times".
set -eu
cd /stranger
export DEBIAN_FRONTEND=noninteractive
apt-get -o Acquire::Check-Valid-Until=false update -qq
# only what the packages themselves ask for, and a compiler
apt-get install -y -qq --no-install-recommends /packages/libapus0_*.deb \
    /packages/libapus-dev_*.deb /packages/apus_*.deb /packages/apus-models_*.deb \
    gcc g++ libc6-dev pkg-config cmake make \
    >/tmp/apt.log 2>&1 || { tail -n 20 /tmp/apt.log; exit 1; }
pair=/usr/share/apus/models/pair prompt='def is_connected(G):' same=0

expect() {
    [ "$1" = "$2" ] || { echo "FAIL $3: expected '$2', found '$1'"; exit 1; }
    same=$((same + 1))
}

long=$(apus run $pair/target.apus "$prompt" -n 32 -q)
text=$(apus run $pair/target.apus "$prompt" -n 24 -q)
sed -n '/^```c$/,/^```$/{/^```/d;p}' README.md >readme.c
cc -std=c11 readme.c $(pkg-config --cflags --libs apus) -o readme
expect "$(./readme $pair/target.apus "$prompt")" "$long" "the README's program"

run() { expect "$("$@" $pair/target.apus $pair/draft.apus "$prompt" 2>/dev/null)" "$text" "$1"; }
cc -std=c11 first_text.c $(pkg-config --cflags --libs apus) -o c_shared
cc -std=c11 first_text.c $(pkg-config --static --cflags --libs apus) -static -o c_static
c++ first_text_cpp.cpp $(pkg-config --cflags --libs apus) -o cpp_shared
c++ first_text_cpp.cpp $(pkg-config --static --cflags --libs apus) -static -o cpp_static
for program in c_shared c_static cpp_shared cpp_static; do run ./$program; done

cmake -S . -B built >/dev/null
cmake --build built >/dev/null
for program in c_apus c_apus_static cpp_apus cpp_apus_static; do run built/$program; done

apt-get install -y -qq --no-install-recommends /packages/apus-plugins_*.deb >/tmp/apt.log 2>&1
test -e /usr/share/man/man1/apus.1.gz || grep -q man /etc/dpkg/dpkg.cfg.d/* 2>/dev/null
apt-get purge -y -qq libapus0 apus apus-models >/tmp/apt.log 2>&1
! find / -xdev -path /packages -prune -o -path /stranger -prune -o -name '*apus*' -print |
    grep -v '^/var/\|^/proc/' || { echo "FAIL: purging left files"; exit 1; }
. /etc/os-release
echo "$PRETTY_NAME, $(dpkg --print-architecture): same text $same times"
