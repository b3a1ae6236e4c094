"""What speed bytes, instructions and latencies allow on a GPU, computed from the machine code that
AMD's driver makes. This is a model, not a measurement: no GPU has run it.

  bounds.py DUMP

DUMP is what test_igpu_executables prints for AMD devices (toolchain/test-long.sh vulkan).

The time of a pass of n columns is the number of steps times what a dispatch with its barrier costs,
plus the largest of these times:
  - reading: the bytes of the weights over the bandwidth that reads reach;
  - issue: the cycles of GEMV's inner loop on all SIMDs. A vector instruction of a wave of 64 takes
    2 cycles, a product of 16 x 16 x 16 matrices 32 (512 operations in a cycle of a compute unit, as
    for dot products), any other instruction 1, and none overlap;
  - loads: those of the loop go through the first cache of each compute unit (two SIMDs), 64 bytes
    in a cycle for all lanes together.

The bandwidth that reads reach is 0.83 of the peak, which is what rocm_bandwidth_test gives on Strix
Halo (212 of 256 GB/s, llm-tracker.info). A dispatch with its barrier is assumed to take 4 us, a
submission with the wake-up 50 us. These are guesses, which matter little at 7B."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'tests' / 'igpu'))
import radv  # noqa: E402

REACHED, STEP_US, PASS_US = 212 / 256, 4.0, 50.0
# name: peak GB/s, compute units, GHz
DEVICES = {
    '780M, DDR5-5600': (89.6, 12, 2.7),
    '890M, LPDDR5X-7500': (120.0, 16, 2.9),
    '8060S, LPDDR5X-8000': (256.0, 40, 2.9)
}
# A 7B shape in int4 as packed here (README): bytes of weights that a pass reads, layers, steps of a
# layer
MODEL = dict(bytes=3.72e9, layers=32, steps=13)
# Bytes of weights for one packed dot product of a wave of 64: each lane takes 4 weights of 8 bits,
# or 4 weights of 4 bits with one byte of scale for 64 weights.
BYTES_A_DOT = {'W8': 64 * 4, 'W4': 64 * (2 + 4 / 64)}


def loop_cycles(code, what='v_dot4'):
    """The issue cycles, the cycles of loads and the number of `what` in the innermost loop with the
    most of them. A loop goes from the target of a backward branch to the branch."""
    lines, labels, best = [], {}, None
    for line in code.splitlines():
        text = line.split(';')[0].strip()
        if re.fullmatch(r'BB\d+:', text):
            labels[text[:-1]] = len(lines)
        elif text:
            lines.append(text)
    for i, text in enumerate(lines):
        m = re.match(r's_c?branch\S*\s+(BB\d+)', text)
        if not m or labels.get(m.group(1), i + 1) > i:
            continue
        body = lines[labels[m.group(1)]:i + 1]
        dots = sum(what in x for x in body)
        if dots and (best is None or (-dots, len(body)) < (-best[0], len(best[1]))):
            best = dots, body
    dots, body = best
    real = [x for x in body if not x.startswith(('s_delay_alu', 's_clause', 's_waitcnt'))]
    loads = sum({
        'b32': 4,
        'b64': 8,
        'b96': 12,
        'b128': 16
    }[m.group(1)] for x in real for m in [re.match(r'buffer_load_(b\d+)', x)] if m)
    return sum(32 if x.startswith('v_wmma') else 2 if x.startswith('v_') else 1
               for x in real), loads, dots


def main(path):
    device, pipelines = radv.read(path)
    rates, matrix = {}, None
    for p in pipelines:
        if p.name == 'gemv_matrix W4':  # a turn of its loop: 16 rows x 64 weights, 64 columns
            cycles, loads, _ = loop_cycles(p.code, 'v_wmma')
            matrix = 16 * (32 + 1) * 4 / max(cycles / 2, loads)  # bytes for 16 columns
        m = re.fullmatch(r'gemv (W8|W4), (\d+) columns', p.name)
        if m:
            cycles, loads, dots = loop_cycles(p.code)
            rates[m.group(1),
                  int(m.group(2))] = dots / int(m.group(2)) * BYTES_A_DOT[m.group(1)] / max(
                      cycles / 2, loads)
    print('%s; bytes of weights per compute unit and cycle: %s\n' %
          (device, ', '.join('%s x %d %.1f' % (t, n, r) for (t, n), r in sorted(rates.items()))))
    print(
        '| | tokens/s, 1 column | reads, ms | GEMV issue, ms: 1 / 8 / 16 columns | steps, ms | '
        'cost of 8 / 16 columns, times 1 | prompt, tokens/s: dot products / matrices '
        '|\n|---|---|---|---|---|---|---|'
    )
    for name, (peak, units, ghz) in DEVICES.items():
        read = MODEL['bytes'] / (peak * REACHED) / 1e6
        issue = {n: MODEL['bytes'] / (rates['W4', n] * units * ghz) / 1e6 for n in (1, 8, 16)}
        steps = (MODEL['layers'] * MODEL['steps'] * STEP_US + PASS_US) / 1e3
        time = {n: steps + max(read, issue[n]) for n in issue}
        # A prompt's tiles share a panel's weights in the caches if they run at the same time.
        prompt = [
            16e3 / max(MODEL['bytes'] / (rate * units * ghz) / 1e6, read / 16)
            for rate in (rates['W4', 16], matrix or rates['W4', 16])
        ]
        print('| %s | %.1f | %.1f | %.1f / %.1f / %.1f | %.1f | %.2f / %.2f | %.0f / %.0f |' %
              (name, 1e3 / time[1], read, issue[1], issue[8], issue[16], steps, time[8] / time[1],
               time[16] / time[1], *prompt))


if __name__ == '__main__':
    main(sys.argv[1])
