"""What memory `apus serve` has of its own, beside its blobs and its slots, and whether it stays so:
after every slot's whole context has been evaluated once, and after so many short requests, of which
some stream, some want alternatives and some hang up. Prints JSON, in MB.

  memory.py MODEL.apus [--apus build/release/apus] [--draft FILE] [--requests 10000] [--slots 3]
            [--ctx N] [--threads N]
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from replay import Client, hang_up, long_prompt, metric  # noqa: E402  (beside this file)


def own_memory(process, slot_bytes):
    """MB that are no file's: all of them, and those outside of the slots. The areas of memory that
    are as large as a slot are the slots."""
    whole = slots = size = 0
    for line in pathlib.Path('/proc/%d/smaps' % process.pid).read_text().splitlines():
        name, _, rest = line.partition(':')
        if name == 'Size':
            size = int(rest.split()[0]) * 1024
        elif name == 'Anonymous':
            own = int(rest.split()[0]) * 1024
            whole += own
            slots += own if size >= slot_bytes else 0
    return whole / 1e6, (whole - slots) / 1e6


def fill(client, ids, slots):
    """Every slot's whole context is evaluated once: its memory is never larger afterwards."""
    for slot in range(slots):
        # prompts that begin differently go to a slot each
        client.ask('/completion', {'prompt': ids[slot + 1:-16], 'n_predict': -1,
                                   'ignore_eos': True, 'id_slot': slot})


def many(client, ids, first, last):
    """Requests each a little further in the text."""
    for i in range(first, last):
        begin = i * 7 % (len(ids) - 64)
        body = {'prompt': ids[begin:begin + 16 + i % 48], 'n_predict': 1 + i % 4,
                'n_probs': 5 * (i % 10 == 0)}
        if i % 100 == 99:
            hang_up(client, dict(body, n_predict=200))
        else:
            client.ask('/completion', body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('model')
    parser.add_argument('--apus', default='build/release/apus')
    parser.add_argument('--draft')
    parser.add_argument('--requests', type=int, default=10000)
    parser.add_argument('--slots', default='3')
    parser.add_argument('--ctx')
    parser.add_argument('--threads', default='2')
    a = parser.parse_args()
    server = subprocess.Popen([a.apus, 'serve', a.model, '--port', '0', '-q', '-t', a.threads,
                               '--slots', a.slots, *(['--ctx', a.ctx] if a.ctx else []),
                               *(['-d', a.draft] if a.draft else [])],
                              stdout=subprocess.PIPE, text=True)
    try:
        client = Client(server.stdout.readline().strip())
        slot_bytes, context = metric(client, 'slot_bytes'), int(metric(client, 'context'))
        ids = long_prompt(client, pathlib.Path(__file__).read_text(), context)
        rows = []

        def note(requests):
            own, beside = own_memory(server, slot_bytes)
            rows.append({'requests': requests, 'own': round(own, 2), 'beside_slots':
                         round(beside, 2)})

        fill(client, ids, int(a.slots))
        note(0)
        at = 0
        for until in sorted({a.requests // 10, a.requests // 2, a.requests}):
            many(client, ids, at, until)
            note(until)
            at = until
        print(json.dumps({'model': os.path.basename(a.model), 'draft': bool(a.draft),
                          'slots': int(a.slots), 'context': context,
                          'slot': round(slot_bytes / 1e6, 2), 'after': rows}, indent=1))
    finally:
        server.terminate()
        server.wait()


if __name__ == '__main__':
    main()
