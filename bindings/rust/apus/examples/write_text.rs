//! write_text MODEL PROMPT [DRAFT]: text as it comes.
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, prompt, rest @ ..] = arguments.as_slice() else {
        return Err("expected MODEL PROMPT [DRAFT]".into());
    };
    let draft = rest.first().map(apus::Model::open).transpose()?;
    let model = apus::Model::open(path)?;
    let options = apus::Options { draft: draft.as_ref(), ..Default::default() };
    let mut session = model.session(&options)?;
    session.prompt(&[apus::Part::Bos, apus::Part::Text(prompt)])?;
    let sampling = apus::Sampling { max_tokens: 24, ..Default::default() };
    let mut pieces = session.pieces(&sampling)?;
    while let Some(piece) = pieces.next()? {
        std::io::stdout().write_all(piece.text)?;
        std::io::stdout().flush()?;
    }
    Ok(())
}
