//! The crate on the pair of models that ships. APUS_PAIR is its folder; APUS_TEXT and APUS_HASH are
//! what `apus run` gives for 24 tokens behind PROMPT.
use apus::{Model, Options, Part, Sampling, Session};
use std::env::var;

const PROMPT: &str = "def is_connected(G):\n    \"\"\"Returns";

fn open(name: &str) -> Model {
    Model::open(format!("{}/{name}", var("APUS_PAIR").unwrap())).unwrap()
}

fn write(session: &mut Session, sampling: &Sampling) -> (String, Vec<i32>, String) {
    let (mut text, mut ids, mut stop) = (Vec::new(), Vec::new(), String::new());
    let mut pieces = session.pieces(sampling).unwrap();
    while let Some(piece) = pieces.next().unwrap() {
        text.extend_from_slice(piece.text);
        ids.extend_from_slice(piece.ids);
        assert_eq!(piece.ids.len(), piece.log_probs.len());
        stop = piece.stop;
    }
    assert!(pieces.next().unwrap().is_none());
    (String::from_utf8(text).unwrap(), ids, stop)
}

const GREEDY: Sampling = Sampling {
    max_tokens: 24,
    temperature: 0.0,
    top_k: 0,
    top_p: 0.0,
    min_p: 0.0,
    repeat_penalty: 0.0,
    seed: 0,
    stops: &[],
    want_hash: true,
};

#[test]
fn text_and_hash_of_the_command_line() {
    let model = open("target.apus");
    let mut session = model.session(&Options { threads: 1, ..Default::default() }).unwrap();
    session.prompt(&[Part::Bos, Part::Text(PROMPT)]).unwrap();
    let (text, ids, stop) = write(&mut session, &GREEDY);
    assert_eq!(text, var("APUS_TEXT").unwrap());
    assert_eq!(stop, "length");
    let stats = session.stats().unwrap();
    assert_eq!(format!("{:016x}", stats.logits_hash), var("APUS_HASH").unwrap());
    assert!(session.ids().unwrap().ends_with(&ids));
}

#[test]
fn a_draft_changes_no_text() {
    let (model, draft) = (open("target.apus"), open("draft.apus"));
    let options = Options { threads: 1, draft: Some(&draft), proposals: 4, ..Default::default() };
    let mut session = model.session(&options).unwrap();
    session.prompt(&[Part::Bos, Part::Text(PROMPT)]).unwrap();
    assert_eq!(write(&mut session, &GREEDY).0, var("APUS_TEXT").unwrap());
    assert!(session.stats().unwrap().accepted > 0);
}

#[test]
fn what_is_refused_is_an_error() {
    assert_eq!(Model::open("no such file").err().unwrap().status, -3);
    let readme = Model::open(format!("{}/README.md", var("APUS_PAIR").unwrap()));
    assert_eq!(readme.err().unwrap().status, -3);
    let model = open("target.apus");
    let mut session = model.session(&Options::default()).unwrap();
    assert!(session.prompt(&[Part::Special("<|no such token|>")]).is_err());
    session.prompt(&[Part::Text(PROMPT)]).unwrap();
    let wrong = Sampling { temperature: -1.0, ..Default::default() };
    let refused = session.pieces(&wrong).err().unwrap();
    assert!(!refused.to_string().is_empty());
}

#[test]
fn states_stops_and_other_threads() {
    let model = open("target.apus");
    let options = Options { threads: 1, ..Default::default() };
    let mut session = model.session(&options).unwrap();
    session.prompt(&[Part::Bos, Part::Text(PROMPT)]).unwrap();
    let (state, count) = (session.save().unwrap(), session.ids().unwrap().len());
    let first = write(&mut session, &GREEDY);
    session.rewind(count).unwrap();
    assert_eq!(session.ids().unwrap().len(), count);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = model.session(&options).unwrap();
            other.restore(&state).unwrap();
            assert_eq!(write(&mut other, &GREEDY), first);
        });
    });
    let ids = session.ids().unwrap().to_vec();
    session.prompt(&[Part::Ids(&ids)]).unwrap();
    let stop: String = first.0.chars().skip(8).take(4).collect();
    let (text, _, reason) = write(&mut session, &Sampling { stops: &[&stop], ..GREEDY });
    assert_eq!((text.as_str(), reason.as_str()), (first.0.split(&stop).next().unwrap(), "stop"));
    assert_eq!(model.vocabulary() > 100 && !model.name().is_empty(), true);
}
