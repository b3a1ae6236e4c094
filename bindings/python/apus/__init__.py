"""Text generation with Apus: a model out of one file, and sessions on it.

    with apus.Model('target.apus') as model, model.session() as session:
        for piece in session.generate('def add(a, b):', max_tokens=32):
            print(piece.text, end='')

Calls into the library let other threads of Python run. A session belongs to one thread at a time,
but for cancel(). include/apus/apus.h is the manual; nothing here decides anything."""
from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Iterator, List, Optional, Sequence, Tuple, Type, Union

from apus._native import ffi as _ffi, lib as _lib

__all__ = ['Error', 'Model', 'Piece', 'Session', 'Special', 'Stats', 'version']

Path = Union[str, 'os.PathLike[str]']


class Error(Exception):
    """A status below zero: its number, and what the log said of it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence or _text(_lib.apus_status_text(status)))
        self.status = status


@dataclass(frozen=True)
class Special:
    """A token by its exact text, such as '<|im_start|>', as a part of a prompt."""
    text: str


Part = Union[str, bytes, Special, Sequence[int]]


@dataclass(frozen=True)
class Piece:
    """What one round gave. `data` is whole UTF-8 characters wherever the model gave such."""
    data: bytes
    ids: Tuple[int, ...]
    log_probs: Tuple[float, ...]
    stop: str  # '' while there is more

    @property
    def text(self) -> str:
        return self.data.decode(errors='replace')


@dataclass(frozen=True)
class Stats:
    new_tokens: int
    prompt_tokens: int
    reused: int
    passes: int
    rounds: int
    proposed: int
    accepted: int
    logits_hash: int
    arena_bytes: int
    cpu: str


def version() -> Tuple[int, int, int]:
    number = _lib.apus_version()
    return number >> 16, number >> 8 & 255, number & 255


def _text(characters: Any) -> str:
    return '' if characters == _ffi.NULL else bytes(_ffi.string(characters)).decode()


def _new(name: str, **members: Any) -> Any:
    struct = _ffi.new('apus_%s *' % name, members)
    struct.size = _ffi.sizeof('apus_%s' % name)
    return struct


class _Log:
    """The sentence that the log said last, for errors."""

    def __init__(self) -> None:
        self.sentence = ''
        self.handle = _ffi.new_handle(self)
        self.port = _ffi.new('apus_port *', _lib.apus_port_host()[0])
        self.port.log = _lib.apus_python_log
        self.port.user = self.handle

    def check(self, status: int) -> int:
        sentence, self.sentence = self.sentence, ''
        if status < 0:
            raise Error(status, sentence)
        return status


@_ffi.def_extern()  # type: ignore[untyped-decorator, unused-ignore]
def apus_python_log(user: Any, level: int, text: Any) -> None:
    if level == _lib.APUS_LOG_ERROR:
        _ffi.from_handle(user).sentence = _text(text)


class _Memory:
    """Memory for an object of the library, on a page's boundary."""

    def __init__(self, need: Any) -> None:
        if need.alignment > mmap.PAGESIZE:
            raise MemoryError('alignment %d' % need.alignment)
        self.map = mmap.mmap(-1, max(need.bytes, 1))
        self.data = _ffi.from_buffer(self.map)
        self.bytes = need.bytes

    def close(self) -> None:
        _ffi.release(self.data)
        self.map.close()


class Model:
    """A packed model (apus-pack), read where its file is mapped; sessions share it."""

    def __init__(self, path: Path) -> None:
        self._log = _Log()
        self._model: Any = None
        self._sessions = 0  # that are open
        self._map = _ffi.new('apus_map *')
        error = _lib.apus_map_open(self._map, os.fsencode(path))
        if error:
            raise OSError(error, os.strerror(error), os.fspath(path))
        try:
            self._open()
        except BaseException:
            _lib.apus_map_close(self._map)
            raise

    def _open(self) -> None:
        blob = _ffi.new('apus_blob *')
        self._log.check(_lib.apus_blob_open(blob, self._map.data, self._map.size, self._log.port))
        config = _new('model_config', blob=blob, port=self._log.port)
        need = _new('memory')
        self._log.check(_lib.apus_model_measure(config, need))
        self._memory = _Memory(need)
        model = _ffi.new('apus_model **')
        self._log.check(_lib.apus_model_open(model, config, self._memory.data, need.bytes))
        self._model, self._blob = model[0], blob
        info = _new('info')
        self._log.check(_lib.apus_blob_describe(blob, info))
        self.name, self.architecture = _text(info.name), _text(info.architecture)
        self.layers: int = info.layers
        self.vocabulary: int = info.vocab
        self.max_positions: int = info.max_positions

    def session(self, *, context: int = 0, threads: int = 0, draft: Optional[Model] = None,
                proposals: int = 0, lookup: bool = False, kv_bits: int = 0,
                v_bits: int = 0) -> Session:
        return Session(self, context, threads, draft, proposals, lookup, kv_bits, v_bits)

    def _open_model(self) -> Any:
        if not self._model:
            raise ValueError('the model is closed')
        return self._model

    def close(self) -> None:
        """Its sessions, and those that it is a draft of, have to be closed before."""
        if self._sessions:
            raise ValueError('close the sessions on the model first: %d are open' % self._sessions)
        if self._model:
            _lib.apus_model_close(self._model)
            self._model = None
            self._memory.close()
            _lib.apus_map_close(self._map)

    def __del__(self) -> None:
        # sessions keep their models, unless all end together with the program
        if getattr(self, '_model', None) and not self._sessions:
            self.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


class Session:
    """A context and what goes on behind it. Made by Model.session."""

    def __init__(self, model: Model, context: int, threads: int, draft: Optional[Model],
                 proposals: int, lookup: bool, kv_bits: int, v_bits: int) -> None:
        self._session: Any = None
        self._log = model._log
        self._models = [model, draft] if draft else [model]  # which have to stay
        config = _new('config', model=model._open_model(), context=context,
                      threads=threads or _lib.apus_port_processors(),
                      draft=draft._open_model() if draft else _ffi.NULL, proposals=proposals,
                      lookup=lookup, kv_bits=kv_bits, v_bits=v_bits)
        need = _new('memory')
        self._log.check(_lib.apus_measure(config, need))
        self._memory = _Memory(need)
        session = _ffi.new('apus_session **')
        self._log.check(_lib.apus_open(session, config, self._memory.data, need.bytes))
        self._session = session[0]
        for used in self._models:
            used._sessions += 1

    def _open(self) -> Any:
        if not self._session:
            raise ValueError('the session is closed')
        return self._session

    def prompt(self, *parts: Part, bos: bool = True, trusted: bool = False) -> bool:
        """Makes the parts the context; what it has of them already is kept. trusted: control
        tokens that a text spells out are taken as such. False where cancel() stopped it."""
        keep: List[Any] = []
        count = len(parts) + bos
        array = _ffi.new('apus_part[]', count)
        if bos:
            array[0].kind = _lib.APUS_PART_BOS
        for at, part in enumerate(parts, bos):
            if isinstance(part, (str, bytes, Special)):
                word = part.text if isinstance(part, Special) else part
                data = word.encode() if isinstance(word, str) else word
                kept: Any = _ffi.from_buffer(data)
                size = len(data)
                array[at].kind = (_lib.APUS_PART_SPECIAL if isinstance(part, Special) else
                                  _lib.APUS_PART_TEXT)
                array[at].flags = (_lib.APUS_TEXT_SPECIALS if trusted and
                                   not isinstance(part, Special) else 0)
            else:
                kept, size = _ffi.new('int32_t[]', list(part)), len(part)
                array[at].kind = _lib.APUS_PART_IDS
            keep.append(kept)
            array[at].data, array[at].count = _ffi.cast('void *', kept), size
        status = self._log.check(_lib.apus_prompt(self._open(), array, count, 0))
        return bool(status == _lib.APUS_OK)

    def pieces(self, *, max_tokens: int = 0, temperature: float = 0.0, top_k: int = 0,
               top_p: float = 0.0, min_p: float = 0.0, repeat_penalty: float = 0.0, seed: int = 0,
               stop: Sequence[str] = (), want_hash: bool = False) -> Iterator[Piece]:
        """Goes on behind the context, piece by piece, as they come."""
        words = [_ffi.from_buffer(s.encode()) for s in stop]
        stops = _ffi.new('apus_stop[]', [(_ffi.cast('char *', w), len(w)) for w in words])
        sampling = _new('sampling', max_tokens=max_tokens, temperature=temperature, top_k=top_k,
                        top_p=top_p, min_p=min_p, repeat_penalty=repeat_penalty, seed=seed,
                        stops=stops, stops_count=len(words), want_hash=want_hash)
        self._log.check(_lib.apus_begin(self._open(), sampling))
        piece = _new('piece')
        stopped = ''
        while not stopped:
            self._log.check(_lib.apus_next(self._open(), piece))
            stopped = _text(_lib.apus_stop_reason_text(piece.stop))
            yield Piece(bytes(_ffi.buffer(piece.text, piece.bytes)) if piece.bytes else b'',
                        tuple(piece.ids[0:piece.count]), tuple(piece.log_probs[0:piece.count]),
                        stopped)

    def generate(self, *parts: Part, bos: bool = True, trusted: bool = False,
                 **sampling: Any) -> Iterator[Piece]:
        """prompt() and pieces() in one."""
        self.prompt(*parts, bos=bos, trusted=trusted)
        return self.pieces(**sampling)

    def ids(self) -> Tuple[int, ...]:
        ids, count = _ffi.new('int32_t **'), _ffi.new('size_t *')
        self._log.check(_lib.apus_ids(self._open(), ids, count))
        return tuple(ids[0][0:count[0]])

    def rewind(self, position: int) -> None:
        self._log.check(_lib.apus_rewind(self._open(), position))

    def save(self) -> bytes:
        size = _ffi.new('size_t *')
        self._log.check(_lib.apus_save(self._open(), _ffi.NULL, 0, size))
        state = bytearray(size[0])
        self._log.check(_lib.apus_save(self._open(), _ffi.from_buffer(state), len(state), size))
        return bytes(state[:size[0]])

    def restore(self, state: bytes) -> None:
        self._log.check(_lib.apus_restore(self._open(), _ffi.from_buffer(state), len(state)))

    def cancel(self) -> None:
        """From any thread: what runs stops soon, and says so."""
        _lib.apus_cancel(self._open())

    def stats(self) -> Stats:
        s = _new('stats')
        self._log.check(_lib.apus_get_stats(self._open(), s))
        return Stats(s.new_tokens, s.prompt_tokens, s.reused, s.passes, s.rounds, s.proposed,
                     s.accepted, s.logits_hash, s.arena_bytes, _text(s.cpu))

    def close(self) -> None:
        if self._session:
            _lib.apus_close(self._session)
            self._session = None
            for used in self._models:
                used._sessions -= 1
            self._memory.close()

    def __del__(self) -> None:
        # its threads must not outlive its memory
        if getattr(self, '_session', None):
            self.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()
