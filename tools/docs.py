# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes what follows from schema/sections: the JSON Schema for editors and the configuration reference.

With --check nothing is written; a file that no longer follows from its sections is named and the exit code is 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from plugins.plugin_utils.config.schema import Key, Section, build_schema, flow, load_sections  # noqa: E402

ORDER = ("root", "servers", "role", "env", "proxy", "run", "accessory", "mount", "registry", "builder", "boot")
INTRODUCTION = """\
<!-- Generated from schema/sections by `make docs`; do not edit. -->
# Configuration reference

Every key of `config/deploy.yml` and of the variable `kamal_config`. How the file is found, merged, rendered and
checked is told in [configuration.md](configuration.md). The same text in a terminal:

    ansible-playbook caravan.kamal.docs -e section=proxy

Editors complete and check the file while it is written with this first line:

    # yaml-language-server: $schema=PATH/TO/ansible_collections/caravan/kamal/schema/deploy.schema.json

A *string* may also be written as a number or as `true`/`false`; a *text* may not. *Seconds* are whole numbers.
"""
WORDS = {"empty": "nothing", "hosts": "list of hosts", "keys": "the keys below", "options": "map of options"}


def in_order(sections: dict[str, Section]) -> list[Section]:
    return [sections[name] for name in (*ORDER, *sorted(set(sections) - set(ORDER)))]


def reference(sections: dict[str, Section]) -> str:
    contents = "\n".join(f"- [{section.title}](#{anchor(section)})" for section in in_order(sections))
    parts = [INTRODUCTION, contents, *(chapter(section, sections) for section in in_order(sections))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def anchor(section: Section) -> str:
    return section.title.lower().replace(" ", "-")


def chapter(section: Section, sections: dict[str, Section]) -> str:
    parts = [f"## {section.title}", flow(section.prose)]
    rows = [row("/".join(path), key, sections) for path, key in section.walk()]
    if section.type != "keys":
        parts.append(f"Type: {type_in_words(section.type, sections)}.")
    if rows:
        parts.append("\n".join(["| Key | Type | Default | Meaning |", "|---|---|---|---|", *rows]))
    parts.append(f"```yaml\n{example(section)}\n```")
    return "\n\n".join(parts)


def row(path: str, key: Key, sections: dict[str, Section]) -> str:
    annotation = key.annotation
    kind = type_in_words(annotation.type, sections)
    if annotation.one_of:
        kind = " or ".join(f"`{word}`" for word in annotation.one_of)
    if annotation.minimum is not None:
        kind += f", at least {annotation.minimum}"
    default = "required" if annotation.required else ""
    if annotation.default is not None:
        default = f"`{json.dumps(annotation.default).strip(chr(34))}`"
    meaning = flow(key.prose)
    if annotation.notice:
        meaning += f" Accepted, but {annotation.notice}."
    return f"| `{path}` | {kind} | {default} | {meaning} |"


def type_in_words(kind: str, sections: dict[str, Section]) -> str:
    words = re.sub(r"(?<!section )\b(hosts|keys|options|empty)\b", lambda found: WORDS[found[1]], kind)
    return re.sub(r"section (\w+)", lambda found: link(sections[found[1]]), words.replace(" | ", " or "))


def link(section: Section) -> str:
    return f"[{section.title.lower()}](#{anchor(section)})"


def example(section: Section) -> str:
    lines = [line for line in section.text.splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()


def wanted() -> dict[Path, str]:
    sections = load_sections()
    schema = json.dumps(build_schema(sections), indent=2, ensure_ascii=False) + "\n"
    return {
        ROOT / "schema" / "deploy.schema.json": schema,
        ROOT / "docs" / "configuration-reference.md": reference(sections),
    }


def main(arguments: list[str]) -> int:
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} does not follow from schema/sections; run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
