"""Runs the conformance suite under the Khronos validation layer with synchronization validation,
which must print no message. The suite's results count as well, because no other test of the same
build runs it without the layer.

  validation.py test_conformance

Skips (exit status 77) if there is no Vulkan device, or if the suite passed but the layer is not
installed."""
import os
import re
import subprocess
import sys

LAYER = 'VK_LAYER_KHRONOS_validation'


def run(program, **more):
    r = subprocess.run([program, 'igpu'],
                       env=dict(os.environ, **more),
                       stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT,
                       text=True,
                       errors='replace')
    return r.returncode, r.stdout


def main(program):
    layer = dict(VK_INSTANCE_LAYERS=LAYER,
                 VK_LAYER_ENABLES='VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT',
                 VK_LOADER_DEBUG='layer,error')
    status, text = run(program, **layer)
    if status == 77:
        print(text.strip().splitlines()[-1])
        return 77
    if not re.search('Inserted device layer "%s"' % LAYER, text):
        if status:
            print(text[-2000:])
            return 1
        print(
            'skipped: the layer %s is not installed (Debian and Ubuntu: vulkan-validationlayers)' %
            LAYER)
        return 77
    # Newer layers remark on the older way of switching synchronization validation on.
    messages = [
        line for line in text.splitlines()
        if re.search(r'Validation (Error|Warning|Performance)|VUID-|SYNC-HAZARD|UNASSIGNED-', line)
        and 'VALIDATION-SETTINGS' not in line
    ]
    for line in messages[:20]:
        print(line)
    if status:
        print(text[-2000:])
    print('exit status %d, %d messages' % (status, len(messages)))
    return 1 if status or messages else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
