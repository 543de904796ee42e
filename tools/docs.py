# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes what follows from elsewhere: from schema/sections the JSON Schema for editors and the configuration reference,
from plugin_utils the tables of variables and of Kamal's commands, from the roles' argument specs a README for each,
from the dataclasses of the plan its documentation in the modules.

With --check nothing is written; a file that no longer follows from its source is named and the exit code is 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import checkout
import docs_plan
import yaml

from plugins.plugin_utils.commands import table, takes
from plugins.plugin_utils.config.schema import Key, Section, build_schema, flow, load_sections
from plugins.plugin_utils.variables import VARIABLES, Variable

ROOT = checkout.ROOT

ORDER = (
    "root",
    "servers",
    "role",
    "env",
    "proxy",
    "run",
    "loadbalancer",
    "accessory",
    "mount",
    "registry",
    "builder",
    "boot",
)
INTRODUCTION = """\
<!-- Generated from schema/sections by `make docs`; do not edit. -->
# Configuration reference

Every key of `config/deploy.yml` and of the variable `kamal_config`. How the file is found, merged, rendered and
checked is told in [configuration.md](configuration.md). The same text in a terminal:

    ansible-playbook caravan.kamal.docs -e kamal_docs_section=proxy

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


# What stands between two marks of a page that is otherwise written by hand.
OPERATING, FROM_KAMAL = (ROOT / "docs" / name for name in ("operating.md", "from-kamal.md"))
BEGIN, END = "<!-- Generated from plugins/plugin_utils/{} by `make docs`. -->\n", "\n<!-- End. -->"


def with_table(page: Path, source: str, rows: str) -> str:
    begin = BEGIN.format(source)
    before, _begin, rest = page.read_text(encoding="utf-8").partition(begin)
    _old, _end, after = rest.partition(END)
    return f"{before}{begin}{rows}{END}{after}"


def variables() -> str:
    rows = [f"| `{each.name}` | {kinds(each)} | {each.default} | {each.meaning} |" for each in VARIABLES]
    return "\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *rows])


def kinds(variable: Variable) -> str:
    return " or ".join(f"`{choice}`" for choice in variable.choices) or variable.type


def commands() -> str:
    rows = [f"| `kamal {each.words}` | {here(each)} | {different(each)} |" for each in table.COMMANDS]
    frame = [f"| `{option.replace('/', '`, `')}` | {given(said)} | |" for option, said in table.FRAME.items()]
    return "\n".join(["| Kamal | Caravan | options, and what is different |", "|---|---|---|", *rows, *frame])


def here(command: table.Command) -> str:
    """What is typed after `ansible-playbook -i config/deploy.yml`."""
    if not command.playbook:
        return "–"
    words = "".join(f" -e {said}" for said in [*command.sets, *(f"{name}=…" for name in command.needed)])
    without = " (without `-i`)" if command.playbook in takes.WITHOUT_INVENTORY else ""
    return f"`caravan.kamal.{command.playbook}{words}`{without}"


def different(command: table.Command) -> str:
    options = [f"`{option.partition('/')[0]}`: {given(said)}" for option, said in command.options.items()]
    if not command.needs:
        options += [f"{name.rpartition('_')[2]}: {given(name)}" for name in command.arguments]
    remark = f"of {command.only_in}" if command.only_in else command.note
    return "; ".join([*options, remark] if remark else options)


def given(said: str) -> str:
    if said in ("", table.UNUSED):
        return "makes no difference"
    if said.startswith("-"):
        return f"`{said}`"
    return f"`-e {said}`" if "=" in said else f"`-e {said}=…`"


# The READMEs of roles


def role_readme(folder: Path) -> str:
    meta = yaml.safe_load((folder / "meta" / "main.yml").read_text(encoding="utf-8"))["galaxy_info"]
    points = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    parts = [
        "<!-- Generated from meta/ by `make docs`; do not edit. -->",
        f"# caravan.kamal.{folder.name}",
        f"{meta['description']}.",
        *(entry_point(folder.name, name, spec) for name, spec in points.items()),
    ]
    if not points:
        parts.append("It has no tasks and is not used by itself: connection settings, and how the plan is read.")
    return "\n\n".join(parts) + "\n"


def entry_point(role: str, name: str, spec: dict) -> str:
    """One way into a role: what it does, what has to have run before, its variables, and how it is called."""
    sentences = spec["description"] if isinstance(spec["description"], list) else [spec["description"]]
    parts = [f"## {name}", f"{spec['short_description']}.", " ".join(marked_up(text) for text in sentences)]
    rows = [option_row(option, details) for option, details in spec.get("options", {}).items()]
    if rows:
        parts.append("\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *rows]))
    tasks_from = "" if name == "main" else f"\n    tasks_from: {name}"
    call = f"- ansible.builtin.import_role:\n    name: caravan.kamal.{role}{tasks_from}"
    parts.append(f"```yaml\n{call}\n```")
    return "\n\n".join(parts)


def option_row(name: str, details: dict) -> str:
    kind = " or ".join(f"`{choice}`" for choice in details.get("choices", ())) or details["type"]
    default = f"`{json.dumps(details['default']).strip(chr(34))}`" if "default" in details else ""
    text = details["description"]
    return f"| `{name}` | {kind} | {default} | {marked_up(' '.join(text) if isinstance(text, list) else text)} |"


def marked_up(text: str) -> str:
    """Ansible's marks for code and values in Markdown."""
    return re.sub(r"\b[CV]\(([^)]*)\)", r"`\1`", text)


def wanted() -> dict[Path, str]:
    sections = load_sections()
    schema = json.dumps(build_schema(sections), indent=2, ensure_ascii=False) + "\n"
    roles = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
    return {
        ROOT / "schema" / "deploy.schema.json": schema,
        ROOT / "docs" / "configuration-reference.md": reference(sections),
        OPERATING: with_table(OPERATING, "variables.py", variables()),
        FROM_KAMAL: with_table(FROM_KAMAL, "commands/table.py", commands()),
        **{folder / "README.md": role_readme(folder) for folder in roles},
        **docs_plan.pages(ROOT),
    }


def main(arguments: list[str]) -> int:
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} does not follow from its source; run `make docs`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(wanted()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
