"""The NPU's device model as a library to preload: any program must find a device in /sys and /dev,
the engine must compute on it, and no files may stay behind.

  preload.py BUILD
"""
import errno
import glob
import os
import pathlib
import subprocess
import sys
import tempfile

build = pathlib.Path(sys.argv[1]).resolve()
left_before = set(glob.glob('/tmp/apus-npu-model.*'))


def preloaded(command, model, **more):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / 'r'
        env = dict(os.environ,
                   LD_PRELOAD=str(build / 'libapus-npu-model.so'),
                   APUS_NPU_MODEL=model + ',report=' + str(report),
                   **more)
        done = subprocess.run(command, env=env, text=True, capture_output=True)
        if done.returncode:
            sys.exit('FAIL %s %s: exit status %d\n%s%s' %
                     (model, command, done.returncode, done.stdout, done.stderr))
        return done.stdout, dict(line.split(' ', 1) for line in report.read_text().splitlines())


for model, device in (('xdna1', '0x1502'), ('xdna2', '0x17f0')):
    driver = '/sys/bus/pci/drivers/amdxdna'
    slot = preloaded(['ls', driver], model)[0].strip()
    assert preloaded(['cat', '%s/%s/device' % (driver, slot)], model)[0] == device + '\n'
    assert preloaded(['cat', '/sys/bus/pci/devices/%s/vbnv' % slot],
                     model)[0] == 'Apus NPU device model, not hardware\n'
    assert preloaded(['readlink', '/sys/class/accel/accel0'],
                     model)[0].startswith('../../devices/pci')
    out, report = preloaded([build / 'apus', 'probe'], model)
    assert 'device model, not hardware' in out and report['submissions'] == '0' and int(
        report['requests']) > 3, (out, report)

out, _ = preloaded([build / 'apus', 'probe'], 'xdna2,open=%d' % errno.ENOENT)
assert 'the driver amdxdna is loaded and serves none: sudo dmesg | grep amdxdna' in out, out
assert 'linux-firmware' in out, out

out, report = preloaded(
    [build / 'tests/hal/test_conformance', 'npu', '0', 'all', build / 'npu-model-xdna2.xclbin'],
    'xdna2,lockable=4096',
    APUS_CASE='same_bits')  # the others: conformance_npu_*, without a preload
assert report['complaint'] == '' and int(report['commands']) > 1000, report
left = set(glob.glob('/tmp/apus-npu-model.*')) - left_before
assert not left, left
print('preloaded: %s commands, %s requests' % (report['commands'], report['requests']))
