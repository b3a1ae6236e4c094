"""The Debian packages, as `cpack` makes them of this build: what they say of themselves, and the
README's program built with what they hold, unpacked in an empty folder.

  packages_test.py BUILD CPACK CC WORK

Installing them in a new Debian is `sh toolchain/packages.sh clean bookworm`. 15 seconds."""
import pathlib
import re
import shutil
import subprocess
import sys

BUILD, CPACK, CC = sys.argv[1:4]
WORK = pathlib.Path(sys.argv[4])
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit('FAIL %s\n%s%s' % (' '.join(map(str, command)), done.stdout, done.stderr))
    return done.stdout


def field(package, name):
    return run('dpkg-deb', '-f', package, name).strip()


def main():
    for tool in ('dpkg-deb', 'dpkg-shlibdeps', 'pkg-config'):
        if not shutil.which(tool):
            print('skipped: %s is not installed' % tool)
            sys.exit(77)
    shutil.rmtree(WORK, ignore_errors=True)
    root = WORK / 'root'
    root.mkdir(parents=True)
    run(CPACK, '-G', 'DEB', '--config', BUILD + '/CPackConfig.cmake', '-B', WORK, '-D',
        'CPACK_PACKAGING_INSTALL_PREFIX=/usr')
    packages = {p.name.split('_')[0]: p for p in WORK.glob('*.deb')}
    assert set(packages) == {'libapus0', 'libapus-dev', 'apus', 'apus-models',
                             'apus-plugins'}, packages
    version = field(packages['libapus0'], 'Version')
    assert re.fullmatch(r'0\.1\.0-\d+', version), version
    assert field(packages['libapus-dev'], 'Depends') == 'libapus0 (= %s)' % version
    needs = field(packages['libapus0'], 'Depends')
    assert re.fullmatch(r'libc6 \([^,]*\)', needs), 'the library needs libc alone: ' + needs
    needs = field(packages['apus'], 'Depends')
    assert 'libjansson4' in needs and 'libapus' not in needs, needs
    for name, package in packages.items():
        assert field(package, 'Description').count('\n') >= 2, name
        listed = run('dpkg-deb', '-c', package)
        for file in ('copyright', 'changelog.gz', 'changelog.Debian.gz'):
            assert '/usr/share/doc/%s/%s\n' % (name, file) in listed, (name, file)
        assert ' root/root ' in listed and not re.search(r' (?!root/root )\w+/\w+ +\d', listed)
        run('dpkg-deb', '-x', package, root)

    program = re.search(r'```c\n(.*?)```', (SOURCE / 'README.md').read_text(), flags=re.S).group(1)
    (WORK / 'readme.c').write_text(program)
    folder = next(root.rglob('apus.pc')).parent
    flags = run('pkg-config', '--static', '--cflags', '--libs', 'apus',
                env={'PATH': '/usr/bin:/bin', 'PKG_CONFIG_PATH': str(folder)}).split()
    run(CC, '-std=c11', WORK / 'readme.c', *flags, '-static', '-o', WORK / 'readme')
    model = root / 'usr/share/apus/models/pair/target.apus'
    prompt = 'def is_connected(G):'
    found = run(WORK / 'readme', model, prompt)
    told = run(root / 'usr/bin/apus', 'run', model, prompt, '-n', 32, '-q')
    assert found and found == told.removesuffix('\n'), (found, told)


main()
