"""write_text.py MODEL PROMPT [DRAFT]: text as it comes."""
import sys

import apus


def main() -> None:
    path, prompt, *draft = sys.argv[1:]
    proposer = apus.Model(draft[0]) if draft else None
    with apus.Model(path) as model, model.session(draft=proposer) as session:
        for piece in session.generate(prompt, max_tokens=24):
            sys.stdout.buffer.write(piece.data)
            sys.stdout.flush()


if __name__ == '__main__':
    main()
