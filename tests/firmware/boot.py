"""Boots an image in QEMU without a display, gives it a prompt on its serial line, and compares what
it writes with the command line's: text, ids and the hash of the logits.

  boot.py x86_64|aarch64 IMAGE APUS SOURCE [SECONDS]

It takes two cores, and must have used both and speculation. Exit status 77 where QEMU or its
firmware is not installed."""
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

machine, image, apus, source = sys.argv[1:5]
limit = float(sys.argv[5]) if len(sys.argv) > 5 else 90
PROMPT, TOKENS = 'for name in os.listdir(path):', 16
FIRMWARE = '/usr/share/ovmf/OVMF.fd'
# No acceleration: what a test may not depend on. All that the emulator has of the processor.
COMMON = ['-accel', 'tcg', '-cpu', 'max', '-smp', '2', '-m', '256', '-net', 'none', '-display',
          'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot']
CPU = {'x86_64': 'avx2', 'aarch64': 'neon'}[machine]

qemu = shutil.which('qemu-system-' + machine)
if not qemu or (machine == 'x86_64' and not os.path.exists(FIRMWARE)):
    print('skipped: qemu-system-%s%s is not installed' %
          (machine, ' or ' + FIRMWARE if machine == 'x86_64' else ''))
    sys.exit(77)


def command(folder):
    if machine == 'aarch64':
        return [qemu, '-machine', 'virt', *COMMON, '-kernel', image]
    # as on any removable medium
    boot = pathlib.Path(folder) / 'EFI' / 'BOOT'
    boot.mkdir(parents=True)
    shutil.copy(image, boot / 'BOOTX64.EFI')
    return [qemu, '-machine', 'q35', *COMMON, '-bios', FIRMWARE, '-drive',
            'format=raw,file=fat:rw:' + folder]


def boot(folder):
    """What the machine writes until it switches itself off, and whether it did."""
    began, text, asked = time.monotonic(), b'', False
    with subprocess.Popen(command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            while time.monotonic() - began < limit:
                if not select.select([process.stdout], [], [], 1)[0]:
                    continue
                got = os.read(process.stdout.fileno(), 4096)
                if not got:
                    return text, True
                text += got
                # before, the firmware would take it
                if not asked and b'prompt> ' in text:
                    asked = True
                    print('prompt after %.1f s' % (time.monotonic() - began))
                    process.stdin.write(PROMPT.encode() + b'\n')
                    process.stdin.flush()
            return text, False
        finally:
            process.kill()


pair = pathlib.Path(source) / 'weights' / 'models' / 'pair'
expected = json.loads(
    subprocess.run([apus, 'run', pair / 'target.apus', PROMPT, '-n', str(TOKENS), '--json',
                    '--quiet'], check=True, capture_output=True, text=True).stdout)
with tempfile.TemporaryDirectory() as folder:
    began = time.monotonic()
    written, off = boot(folder)
    print('%s: %.1f s in all' % (machine, time.monotonic() - began))
written = written.decode(errors='replace').replace('\r', '')
failures = 0


def check(name, found, wanted):
    global failures
    if found != wanted:
        failures += 1
        print('FAIL %s is %r, not %r' % (name, found, wanted))


def field(name):
    found = re.search(r'^%s: ?(.*)$' % name, written, re.M)
    return found.group(1) if found else None


text = re.search(r'^text: (.*?)\n:end$', written, re.M | re.S)
check('text', text and text.group(1), expected['text'])
check('ids', field('ids'), ' '.join(map(str, expected['ids'])))
check('logits_hash', field('logits_hash'), expected['logits_hash'])
check('cores', field('cores'), '2')
check('threads', field('threads'), '2')
check('cpu', field('cpu'), CPU)
check('whether ids were proposed', int(field('proposed') or 0) > 0, True)
check('whether it came to its end', bool(re.search('^done$', written, re.M)), True)
check('whether it switched itself off', off, True)
if failures:
    print('the machine wrote:\n' + written[-3000:])
else:
    print(' '.join('%s=%s' % (n, field(n)) for n in (
        'logits_hash', 'cpu', 'cores', 'proposed', 'accepted', 'milliseconds', 'arena_bytes')))
sys.exit(1 if failures else 0)
