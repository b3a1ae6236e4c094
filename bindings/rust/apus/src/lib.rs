//! Text generation with Apus: a [`Model`] out of one file, [`Session`]s that borrow it, and
//! [`Pieces`] that borrow the session. What the library asks of its callers, lifetimes and the
//! absence of `Sync` say: a session ends before its models, is used by one thread at a time, and
//! what a round gave is gone with the next. Nothing here decides anything; `apus.h` is the manual.
//!
//! ```no_run
//! let model = apus::Model::open("target.apus")?;
//! let mut session = model.session(&apus::Options::default())?;
//! session.prompt(&[apus::Part::Bos, apus::Part::Text("def add(a, b):")])?;
//! let mut pieces = session.pieces(&apus::Sampling { max_tokens: 32, ..Default::default() })?;
//! while let Some(piece) = pieces.next()? {
//!     print!("{}", String::from_utf8_lossy(piece.text));
//! }
//! # Ok::<(), apus::Error>(())
//! ```
use apus_sys as sys;
use std::alloc::{alloc, dealloc, Layout};
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::marker::PhantomData;
use std::mem::{size_of, zeroed};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::{fmt, slice};

/// A status below zero, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: i32,
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&text(unsafe { sys::apus_status_text(self.status) }))
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

fn check(status: i32) -> Result<i32> {
    if status < 0 { Err(Error { status }) } else { Ok(status) }
}

fn text(characters: *const c_char) -> String {
    if characters.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(characters) }.to_string_lossy().into_owned()
}

/// A struct of the library: all zero, but for its size.
macro_rules! sized {
    ($kind:ty) => {{
        let mut value: $kind = zero();
        value.size = size_of::<$kind>() as u32;
        value
    }};
}

/// For the structs of apus.h alone.
fn zero<T: Copy>() -> T {
    // SAFETY: they are plain values, for which zero means the default.
    unsafe { zeroed() }
}

/// Memory for an object of the library.
struct Memory {
    data: *mut u8,
    layout: Layout,
}

impl Memory {
    fn new(need: &sys::apus_memory) -> Result<Memory> {
        let space = Error { status: sys::APUS_E_SPACE };
        let bytes = usize::try_from(need.bytes).map_err(|_| space.clone())?;
        let layout = Layout::from_size_align(bytes.max(1), need.alignment as usize)
            .map_err(|_| space.clone())?;
        // SAFETY: the layout has a size.
        let data = unsafe { alloc(layout) };
        if data.is_null() { Err(space) } else { Ok(Memory { data, layout }) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: made by alloc with this layout.
        unsafe { dealloc(self.data, self.layout) }
    }
}

struct Map(sys::apus_map);

impl Drop for Map {
    fn drop(&mut self) {
        unsafe { sys::apus_map_close(&mut self.0) }
    }
}

/// A packed model, read where its file is mapped. Sessions on any threads share it.
pub struct Model {
    model: *mut sys::apus_model,
    info: sys::apus_info,
    _memory: Memory,
    _map: Map,
}

// SAFETY: an opened model is read-only ("Blobs and models are read-only", apus.h).
unsafe impl Send for Model {}
unsafe impl Sync for Model {}

impl Model {
    /// The file must not be changed while the model is open; one that cannot be mapped is an error
    /// of the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Model> {
        let refused = Error { status: sys::APUS_E_FORMAT };
        let path = path.as_ref().to_str().and_then(|p| CString::new(p).ok());
        let path = path.ok_or_else(|| refused.clone())?;
        unsafe {
            let mut map: sys::apus_map = zeroed();
            if sys::apus_map_open(&mut map, path.as_ptr()) != 0 {
                return Err(refused);
            }
            let map = Map(map);
            let port = sys::apus_port_host();
            let mut blob: sys::apus_blob = zeroed();
            check(sys::apus_blob_open(&mut blob, map.0.data, map.0.size as _, port))?;
            let mut config = sized!(sys::apus_model_config);
            config.blob = &blob;
            config.port = port;
            let mut need = sized!(sys::apus_memory);
            check(sys::apus_model_measure(&config, &mut need))?;
            let memory = Memory::new(&need)?;
            let mut model = null_mut();
            check(sys::apus_model_open(&mut model, &config, memory.data.cast(), need.bytes as _))?;
            let mut info = sized!(sys::apus_info);
            let described = check(sys::apus_blob_describe(&blob, &mut info));
            let model = Model { model, info, _memory: memory, _map: map };
            described.map(|_| model)
        }
    }

    pub fn name(&self) -> String {
        text(self.info.name)
    }

    pub fn vocabulary(&self) -> u32 {
        self.info.vocab
    }

    pub fn session<'m>(&'m self, options: &Options<'m>) -> Result<Session<'m>> {
        let mut config = sized!(sys::apus_config);
        config.model = self.model;
        config.draft = options.draft.map_or(null(), |d| d.model as *const _);
        config.context = options.context;
        config.proposals = options.proposals;
        config.lookup = c_int::from(options.lookup);
        config.kv_bits = options.kv_bits;
        config.v_bits = options.v_bits;
        config.threads = match options.threads {
            0 => unsafe { sys::apus_port_processors() },
            n => n,
        };
        let mut need = sized!(sys::apus_memory);
        let mut session = null_mut();
        unsafe {
            check(sys::apus_measure(&config, &mut need))?;
            let arena = Memory::new(&need)?;
            check(sys::apus_open(&mut session, &config, arena.data.cast(), need.bytes as _))?;
            Ok(Session { session, _arena: arena, _models: PhantomData })
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        unsafe { sys::apus_model_close(self.model) }
    }
}

/// Zero means the default of `apus_config`; threads: all processors.
#[derive(Clone, Copy, Default)]
pub struct Options<'m> {
    pub context: u32,
    pub threads: u32,
    pub draft: Option<&'m Model>,
    pub proposals: u32,
    pub lookup: bool,
    /// Bits of a value in the cache: 8 or 4; v_bits: those of V alone.
    pub kv_bits: u32,
    pub v_bits: u32,
}

/// A part of a prompt.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Bos,
    Text(&'a str),
    /// A token by its exact text, such as `<|im_start|>`.
    Special(&'a str),
    Ids(&'a [i32]),
}

impl Part<'_> {
    fn as_c(&self) -> sys::apus_part {
        let (kind, data, count): (_, *const c_void, usize) = match self {
            Part::Bos => (sys::APUS_PART_BOS, null(), 0),
            Part::Text(s) => (sys::APUS_PART_TEXT, s.as_ptr().cast(), s.len()),
            Part::Special(s) => (sys::APUS_PART_SPECIAL, s.as_ptr().cast(), s.len()),
            Part::Ids(ids) => (sys::APUS_PART_IDS, ids.as_ptr().cast(), ids.len()),
        };
        sys::apus_part { kind, flags: 0, data, count: count as _ }
    }
}

/// Zero means the default of `apus_sampling`; temperature 0 is greedy.
#[derive(Clone, Debug, Default)]
pub struct Sampling<'a> {
    pub max_tokens: u32,
    pub temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub seed: u64,
    pub stops: &'a [&'a str],
    pub want_hash: bool,
}

/// A context, and what goes on behind it. It can be moved to another thread, not shared. It ends
/// before its model:
///
/// ```compile_fail,E0505
/// let model = apus::Model::open("m").unwrap();
/// let session = model.session(&apus::Options::default()).unwrap();
/// drop(model);
/// session.ids().unwrap();
/// ```
pub struct Session<'m> {
    session: *mut sys::apus_session,
    _arena: Memory,
    _models: PhantomData<&'m Model>,
}

// SAFETY: used by one thread at a time, which &mut self sees to; its workers are its own.
unsafe impl Send for Session<'_> {}

impl<'m> Session<'m> {
    /// Makes the parts the context; what it has of them already is kept.
    pub fn prompt(&mut self, parts: &[Part]) -> Result<()> {
        let parts: Vec<_> = parts.iter().map(Part::as_c).collect();
        let count = parts.len() as _;
        check(unsafe { sys::apus_prompt(self.session, parts.as_ptr(), count, 0) }).map(|_| ())
    }

    /// Begins a text behind the context.
    pub fn pieces(&mut self, sampling: &Sampling) -> Result<Pieces<'_, 'm>> {
        let stops: Vec<_> = sampling
            .stops
            .iter()
            .map(|s| sys::apus_stop { text: s.as_ptr().cast(), bytes: s.len() as _ })
            .collect();
        let mut c = sized!(sys::apus_sampling);
        c.max_tokens = sampling.max_tokens;
        c.temperature = sampling.temperature;
        c.top_k = sampling.top_k;
        c.top_p = sampling.top_p;
        c.min_p = sampling.min_p;
        c.repeat_penalty = sampling.repeat_penalty;
        c.seed = sampling.seed;
        c.want_hash = c_int::from(sampling.want_hash);
        c.stops = stops.as_ptr();
        c.stops_count = stops.len() as u32;
        check(unsafe { sys::apus_begin(self.session, &c) })?;
        Ok(Pieces { session: self, stopped: false })
    }

    pub fn rewind(&mut self, position: usize) -> Result<()> {
        check(unsafe { sys::apus_rewind(self.session, position as _) }).map(|_| ())
    }

    pub fn ids(&self) -> Result<&[i32]> {
        let (mut ids, mut count) = (null(), 0);
        check(unsafe { sys::apus_ids(self.session, &mut ids, &mut count) })?;
        // SAFETY: valid until a call that changes the context, which needs &mut self.
        Ok(if count == 0 { &[] } else { unsafe { slice::from_raw_parts(ids, count as usize) } })
    }

    pub fn save(&self) -> Result<Vec<u8>> {
        let mut bytes = 0;
        check(unsafe { sys::apus_save(self.session, null_mut(), 0, &mut bytes) })?;
        let mut state = vec![0u8; bytes as usize];
        let data = state.as_mut_ptr().cast();
        check(unsafe { sys::apus_save(self.session, data, bytes, &mut bytes) })?;
        Ok(state)
    }

    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let data = state.as_ptr().cast();
        check(unsafe { sys::apus_restore(self.session, data, state.len() as _) }).map(|_| ())
    }

    pub fn stats(&self) -> Result<sys::apus_stats> {
        let mut stats = sized!(sys::apus_stats);
        check(unsafe { sys::apus_get_stats(self.session, &mut stats) })?;
        Ok(stats)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        unsafe { sys::apus_close(self.session) }
    }
}

/// What one round gave, until the next.
#[derive(Debug)]
pub struct Piece<'p> {
    /// Whole UTF-8 characters wherever the model gave such.
    pub text: &'p [u8],
    pub ids: &'p [i32],
    pub log_probs: &'p [f32],
    /// Empty while there is more: "eos", "length", "stop" ...
    pub stop: String,
}

/// A text as it comes. No `Iterator`: a piece ends where the next begins, and the session has one
/// text at a time.
///
/// ```compile_fail,E0499
/// # fn f(session: &mut apus::Session) -> apus::Result<()> {
/// let mut pieces = session.pieces(&apus::Sampling::default())?;
/// let first = pieces.next()?;
/// let second = pieces.next()?;
/// println!("{first:?}");
/// # Ok(()) }
/// ```
pub struct Pieces<'s, 'm> {
    session: &'s mut Session<'m>,
    stopped: bool,
}

fn items<'p, T>(data: *const T, count: usize) -> &'p [T] {
    // SAFETY: the library gives `count` of them, which stay until its next call.
    if count == 0 { &[] } else { unsafe { slice::from_raw_parts(data, count) } }
}

impl Pieces<'_, '_> {
    /// The next piece; `None` behind the one that stopped.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Piece<'_>>> {
        if self.stopped {
            return Ok(None);
        }
        let mut piece = sized!(sys::apus_piece);
        check(unsafe { sys::apus_next(self.session.session, &mut piece) })?;
        let stop = text(unsafe { sys::apus_stop_reason_text(piece.stop) });
        self.stopped = !stop.is_empty();
        let count = piece.count as usize;
        Ok(Some(Piece {
            text: items(piece.text.cast(), piece.bytes as usize),
            ids: items(piece.ids, count),
            log_probs: items(piece.log_probs, count),
            stop,
        }))
    }
}
