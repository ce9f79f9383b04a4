"""Write the generated documentation, or check that it is what the code says.

``python docs/generate.py`` writes; ``--check`` exits 1 and names what is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from api.graphql.printing import schema_text  # noqa: E402
from cli.reference import command_reference  # noqa: E402
from lifecycle.pictures import svg  # noqa: E402
from schema.exports import export_model, json_schema  # noqa: E402
from schema.loading import load_model  # noqa: E402

MODEL: Final = load_model([])
PICTURES: Final = "docs/pictures"
GENERATED: Final[dict[str, Callable[[], str]]] = {
    "docs/model.md": lambda: export_model(MODEL, "markdown"),
    "docs/model-file.schema.json": json_schema,
    "docs/commands.md": command_reference,
    "api/schema.graphql": lambda: schema_text(MODEL),
    **{f"{PICTURES}/{m.name}.svg": partial(svg, m) for m in MODEL.state_machines.values()},
}


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            stale.append(name)
        elif not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for path in sorted((ROOT / PICTURES).glob("*.svg")):
        if (name := f"{PICTURES}/{path.name}") not in GENERATED:
            stale += [name] * check
            if not check:
                path.unlink()
    for name in stale:
        print(f"{name} is out of date: run `make docs`.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
