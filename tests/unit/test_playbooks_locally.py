# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks and roles over hosts that are this machine: what is refused, what a tag leaves out, what a run hands on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import ansible_here
import pytest
import yaml
from conftest import ROOT
from docker_socket import engine

HOSTS = f"""\
all:
  vars: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}
  children:
    shop: {{hosts: {{h1: {{}}, h2: {{}}}}}}
    blog: {{hosts: {{h3: {{}}}}}}
"""
CONFIG = """\
kamal_config:
  service: {service}
  image: acme/{service}
  servers: {{web: {hosts}}}
  proxy: {{host: {service}.example.com}}
role: database
state: free
lines: 0
"""
TWO_SERVICES = """\
- ansible.builtin.import_playbook: caravan.kamal.audit
  vars: {kamal_hosts: shop}
- ansible.builtin.import_playbook: caravan.kamal.audit
  vars: {kamal_hosts: blog}
"""
ROLES = """\
- name: Roles alone
  hosts: h1
  gather_facts: false
  tasks:
"""
ROLE = """\
    - block:
        - ansible.builtin.import_role: {{name: caravan.kamal.{role}, tasks_from: {entry}}}
      rescue:
        - ansible.builtin.debug: {{msg: "{role}/{entry} failed: {{{{ ansible_failed_result.msg }}}}"}}
"""
NO_PLAN = "There is no plan in this run. In a play of your own, add the role caravan.kamal.plan before this one"
WORDS_OF_LOCKS = ("take", "release")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return project(tmp_path)


def project(folder: Path) -> Path:
    (folder / "group_vars").mkdir()
    (folder / "hosts.yml").write_text(HOSTS)
    (folder / "group_vars" / "shop.yml").write_text(CONFIG.format(service="shop", hosts="[h1, h2]"))
    (folder / "group_vars" / "blog.yml").write_text(CONFIG.format(service="blog", hosts="[h3]"))
    for service in ("shop", "blog"):
        (folder / ".kamal").mkdir(exist_ok=True)
        (folder / ".kamal" / f"{service}-audit.log").write_text(f"{service} was deployed\n")
    return folder


def play(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    ours = {"ANSIBLE_STDOUT_CALLBACK": "caravan.kamal.rollout", "HOME": str(folder)}
    return ansible_here.play(folder, "-i", "hosts.yml", *arguments, **{**ours, **environment})


@pytest.fixture
def docker(tmp_path: Path) -> Iterator[str]:
    with engine(tmp_path) as address:
        yield address


def test_what_app_lists_is_one_table_for_all_hosts(folder: Path, docker: str) -> None:
    names = ("version", "containers", "images")
    lines = [f"- ansible.builtin.import_playbook: caravan.kamal.app.{name}\n" for name in names]
    (folder / "site.yml").write_text("".join(lines))
    code, output = play(folder, "site.yml", "-e", "kamal_hosts=shop", DOCKER_HOST=docker)
    assert code == 0, output
    image = "acme/shop:v1"
    assert "\nHOST  ROLE  VERSION\nh1    web   v1\nh2    web   v1\n" in output
    assert f"h2    shop-web-v1  running  -       Up 2 hours  {image}\n" in output
    assert f"h2    {image}  111111111111  shop-web-v1\n" in output


def test_pruning_by_hand_says_what_goes_on_each_host_and_holds_the_lock(folder: Path, docker: str) -> None:
    asked = ("-e", "kamal_hosts=shop", "-e", "kamal_prune_retain=1", "--check")
    code, output = play(folder, "caravan.kamal.prune.images", *asked, DOCKER_HOST=docker)
    assert code == 0, output
    old = "remove image acme/shop:v0"
    assert f"\nThis would be removed:\n\nh1:\n  {old}\n\nh2:\n  {old}\n" in output
    names = [LOCK, "Remove what is older than wanted", UNLOCK]
    assert [name for name, _tags in tasks_of("prune.all") if name in names] == names


def test_the_former_name_of_a_playbook_says_the_one_of_today_and_does_the_same(folder: Path) -> None:
    code, output = play(folder, "caravan.kamal.logs", "-e", "kamal_hosts=shop", "-e", "kamal_roles=nothing")
    assert code == 2 and "\ncaravan.kamal.logs is called caravan.kamal.app.logs now.\n" in output
    assert "kamal_roles: there is no role `nothing`" in output


def test_two_services_plan_each_for_itself_without_facts_among_variables_and_in_no_cache(folder: Path) -> None:
    (folder / "site.yml").write_text(TWO_SERVICES)
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(folder / "facts")}
    code, output = play(folder, "site.yml", ANSIBLE_INJECT_FACT_VARS="false", **cache)
    assert code == 0, output
    assert (output.count("shop was deployed"), output.count("blog was deployed")) == (2, 1)
    assert "kamal_plan" not in "".join(path.read_text() for path in folder.glob("facts/*"))


@pytest.mark.parametrize(("limit", "shop", "blog"), [("shop", 2, 0), ("blog", 0, 1)])
def test_of_two_services_one_can_be_chosen(folder: Path, limit: str, shop: int, blog: int) -> None:
    (folder / "site.yml").write_text(TWO_SERVICES)
    code, output = play(folder, "site.yml", "--limit", limit)
    assert code == 0, output
    assert (output.count("shop was deployed"), output.count("blog was deployed")) == (shop, blog)


def test_variables_of_an_inventory_under_former_names_change_nothing(folder: Path) -> None:
    (folder / ".kamal" / "lock-shop").mkdir()
    (folder / ".kamal" / "lock-shop" / "details").write_text("by hand")
    code, output = play(folder, "caravan.kamal.lock.status", "-e", "kamal_hosts=shop")
    assert code == 0, output
    assert "Message: by hand" in output
    assert (folder / ".kamal" / "lock-shop").is_dir()


def test_a_dry_run_of_a_lock_by_hand_says_what_it_would_do(folder: Path) -> None:
    asked = ("-e", "kamal_hosts=shop", "-e", "kamal_lock_message=why", "--check")
    code, output = play(folder, "caravan.kamal.lock.acquire", "caravan.kamal.lock.release", *asked)
    assert code == 0, output
    said = [f"\nwould {word} the deploy lock of shop on h1: free\nThere is no deploy lock\n" for word in WORDS_OF_LOCKS]
    assert [text for text in said if output.count(text) != 1] == []
    assert not (folder / ".kamal" / "lock-shop").exists()


PASSED_OVER = {
    ("-e", "lines=3"): "lines: this variable is called kamal_audit_lines",
    ("-e", "kamal_vresion=v2"): "kamal_vresion: there is no such variable; did you mean kamal_version?",
    ("-e", "kamal_lock_wait=abc"): "kamal_lock_wait: expected a whole",
    ("-e", "version=v2"): "version: this variable is called kamal_version",
    ("-e", "kamal_broadcast=Backup is done"): "kamal_broadcast: Ansible ends a value at its first space",
}


@pytest.mark.parametrize(
    ("playbooks", "hosts", "passed_over"),
    [
        (["audit"], "shop:blog", {(): "shop (on h1) and blog (on h3)"}),
        (["deploy", "audit"], "shop", PASSED_OVER),
        (["deploy"], "shop", {("--tags", "biuld"): "--tags: biuld is no tag of deploy"}),
    ],
    ids=["two services", "former names, a slip, a wrong value, an option of Kamal and words without quotes", "a tag"],
)
def test_what_would_be_passed_over_is_refused_before_anything_is_done(
    folder: Path, playbooks: list[str], hosts: str, passed_over: dict[tuple[str, ...], str]
) -> None:
    asked = ["-e", f"kamal_hosts={hosts}", *(word for words in passed_over for word in words)]
    code, output = play(folder, *(f"caravan.kamal.{name}" for name in playbooks), *asked)
    assert code == 2
    assert [message for message in passed_over.values() if message not in output] == []
    assert "failed: the controller; unchanged: h1" in output


def test_a_password_in_the_configuration_is_printed_nowhere(folder: Path) -> None:
    registry = "  registry: {server: r.example.com, username: ada, password: '{{ vault_password }}'}"
    config = CONFIG.format(service="shop", hosts="[h1, h2]").replace("  proxy:", f"{registry}\n  proxy:")
    (folder / "group_vars" / "shop.yml").write_text(f"{config}vault_password: s3ntinel-word\n")
    wanted = ("-e", "kamal_hosts=shop", "-e", "kamal_version=v1", "-e", "kamal_build=false", "-vvvv")
    code, output = play(folder, "caravan.kamal.deploy", *wanted, DOCKER_HOST=f"unix://{folder}/none.sock")
    assert code == 2
    assert "registry/password" in output and "none.sock" in output
    assert "s3ntinel-word" not in output


ENTRIES = ["app/stage", "app/live", "app/lock", "proxy/main", "accessories/main", "env/main"]


def test_a_role_without_a_plan_says_so(folder: Path) -> None:
    blocks = [ROLE.format(role=role, entry=entry) for role, entry in (path.split("/") for path in ENTRIES)]
    blocks[-1] = blocks[-1].partition("      rescue:")[0]
    (folder / "roles.yml").write_text(ROLES + "".join(blocks))
    code, output = play(folder, "roles.yml")
    assert code == 2
    last = output.rpartition(f"{ENTRIES[-2]} failed: ")[2]
    assert re.findall(rf"^ +h1 +(\S+) failed: .*{NO_PLAN}", output, flags=re.MULTILINE) == ENTRIES[:-1]
    assert NO_PLAN in last.partition("FAILED: ")[2]
    assert "failed: h1 (" in output


def test_to_start_in_the_middle_says_that_there_is_no_plan(folder: Path) -> None:
    middle = "Stage the version beside what runs"
    code, output = play(folder, "caravan.kamal.deploy", "-e", "kamal_hosts=shop", "--start-at-task", middle)
    assert code == 2
    assert "with --start-at-task it is passed over" in output
    assert "failed: h1, h2 (" in output


def test_a_run_in_which_no_host_matches_says_that_nothing_was_done(folder: Path) -> None:
    code, output = play(folder, "caravan.kamal.audit", "-e", "kamal_hosts=nobody")
    assert code == 0, output
    assert "nothing was done: no host or no task matched (" in output


@pytest.mark.parametrize("check", [True, False])
def test_a_removal_in_check_mode_lists_what_goes_once_and_asks_for_no_confirmation(folder: Path, check: bool) -> None:
    output = listed()["remove"]
    if check:
        code, output = play(folder, "caravan.kamal.remove", "-e", "kamal_hosts=shop", "--list-hosts", "--check")
        assert code == 0, output
    numbers = re.findall(r"^  play #\d+ .*: (.+)\tTAGS: .*\n.*\n    hosts \((\d+)\)", output, flags=re.MULTILINE)
    assert dict(numbers) == {
        "Read the configuration": "2",
        "See what there is to remove": "0" if check else "2",
        "Remove it": "2",
    }


# A second run of a service on the same hosts would not do: this one stands for the tasks before.
GONE = """\
- hosts: h1
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.proxy, tasks_from: remove}
      vars: {_kamal_removed_app: {routes: [shop-web]}}
      ignore_errors: true
    - ansible.builtin.import_role: {name: caravan.kamal.proxy, tasks_from: remove}
      vars: {_kamal_removed_app: {routes: [blog-web]}}
      ignore_errors: true
    - ansible.builtin.debug: {var: _kamal_gone_routes}
"""


def test_a_dry_run_of_two_removals_knows_the_routes_of_both(folder: Path) -> None:
    (folder / "gone.yml").write_text(GONE)
    code, output = play(folder, "gone.yml", "--check", "-v", DOCKER_HOST=f"unix://{folder}/none.sock")
    assert code == 0, output
    assert re.search(r'"_kamal_gone_routes": \[\s*"shop-web",\s*"blog-web"\s*\]', output)


# Tags: a run that changes hosts has a plan, takes the lock and releases it, whatever is picked or skipped.

PLAN, LOCK, UNLOCK = "Plan, before anything is touched", "Take the deploy lock", "Release the deploy lock"
STAGE = "Stage the version beside what runs"
CHANGES = {
    STAGE,
    "Bring the role that the others wait for live",
    "Bring the other roles live",
    "Keep kamal-proxy running",
    "Have the accessories of this host running",
}
ROLLOUT = {STAGE, "Bring the role that the others wait for live"}


@pytest.mark.parametrize("playbook", ["deploy", "redeploy", "rollback", "setup"])
def test_no_tag_leaves_half_of_a_rollout(playbook: str) -> None:
    plays = [_tasks(text) for text in re.split(r"^  play #", listed()[playbook], flags=re.MULTILINE)[1:]]
    tags = {tag for tasks in plays for _name, marks in tasks for tag in marks} - {"always"}
    for tag in tags:
        for runs in (_picked(plays, tag), _skipped(plays, tag)):
            everything = [name for names in runs for name in names]
            assert PLAN in everything
            assert not ROLLOUT & set(everything) or set(everything) >= ROLLOUT
            assert not CHANGES & set(everything) or LOCK in everything
            assert (LOCK in everything) == (UNLOCK in everything)


SWITCH = [
    "Renew the deploy lock for this batch",
    "See that this batch may begin",
    "Bring the role that the others wait for live",
    "Bring the other roles live",
    "End this batch",
    "Look again at what went live in earlier batches",
    UNLOCK,
]


@pytest.mark.parametrize(
    ("playbook", "order"),
    [
        ("deploy", [PLAN, "Reach every host", "Build the image once and push it", LOCK, STAGE, *SWITCH]),
        # What was live is asked under the lock: a run that it waited for has changed it.
        ("rollback", [PLAN, "Reach every host", LOCK, "Look at what runs", PLAN, STAGE, *SWITCH]),
    ],
)
def test_nothing_changes_before_the_lock_is_taken_and_each_batch_renews_it(playbook: str, order: list[str]) -> None:
    assert [name for name, _tags in tasks_of(playbook) if name in order] == order


# The second host brings its gate live, the third what waits for it; for the sixth a container is there that waits.
BATCHES = """\
- hosts: all
  gather_facts: false
  serial: 1
  vars_files: [{root}/roles/app/vars/main.yml]
  vars:
    _kamal_plan: {{serial: 1, wait: 10}}
    waits: "{{{{ {condition} }}}}"
  tasks:
    - debug:
      register: _kamal_staged
      changed_when: inventory_hostname == 'h6'
    - debug: {{msg: "{{{{ inventory_hostname }}}} waits: {{{{ waits }}}}"}}
    - debug:
      register: _kamal_gate
      changed_when: inventory_hostname == 'h2'
    - debug:
      register: _kamal_others
      when: inventory_hostname != 'h1'
      changed_when: inventory_hostname == 'h3'
"""


@pytest.mark.parametrize(
    ("before", "around", "waiting"),
    [("before_batch", "live", {"h3", "h4", "h6"}), ("start", "start", {"h3", "h4"})],
    ids=["deploy", "app.start"],
)
def test_a_batch_waits_after_one_in_which_anything_went_live_and_before_new_containers(
    folder: Path, before: str, around: str, waiting: set[str]
) -> None:
    """What was live already may be so since a moment ago, in a run that was broken off."""
    tasks = {name: yaml.safe_load((ROOT / f"roles/app/tasks/{name}.yml").read_text()) for name in (before, around)}
    assert [task["register"] for task in tasks[around] if "caravan.kamal.release" in task] == [
        "_kamal_gate",
        "_kamal_others",
    ]
    condition = " and ".join(f"({each})" for each in tasks[before][0]["when"])
    (folder / "batches.yml").write_text(BATCHES.format(root=ROOT, condition=condition))
    code, output = ansible_here.play(folder, "-i", "h1,h2,h3,h4,h5,h6,h7,", "batches.yml")
    assert code == 0, output
    waits = dict(re.findall(r"(h\d) waits: (\w+)", output))
    assert len(waits) == 7 and {host for host, word in waits.items() if word == "True"} == waiting


Tasks = list[tuple[str, set[str]]]
LISTED = ["deploy", "redeploy", "rollback", "setup", "prune.all", "remove"]


@cache
def listed() -> dict[str, str]:
    """What Ansible tells of plays, their hosts and their tasks, by playbook."""
    with TemporaryDirectory() as folder:
        names = [f"caravan.kamal.{name}" for name in LISTED]
        code, output = play(project(Path(folder)), *names, "-e", "kamal_hosts=shop", "--list-tasks", "--list-hosts")
    assert code == 0, output
    texts = re.split(r"^playbook: ", output, flags=re.MULTILINE)[1:]
    return dict(zip(LISTED, texts, strict=True))


def tasks_of(playbook: str) -> Tasks:
    return _tasks(listed()[playbook])


def _tasks(text: str) -> Tasks:
    found = re.findall(r"^      (?:[\w.]+ : )?(.+)\tTAGS: \[(.*)\]$", text, flags=re.MULTILINE)
    return [(name, set(filter(None, re.split(r",\s*", tags)))) for name, tags in found]


def _picked(plays: list[Tasks], tag: str) -> list[list[str]]:
    return [[name for name, tags in tasks if tags & {tag, "always"}] for tasks in plays]


def _skipped(plays: list[Tasks], tag: str) -> list[list[str]]:
    return [[name for name, tags in tasks if tag not in tags] for tasks in plays]


BESIDE = """\
all:
  vars:
    kamal_config:
      service: cafe
      image: acme/cafe
      servers: {web: [h1]}
      proxy: {host: cafe.example.com}
      accessories: {db: {image: postgres, host: h4}}
  children:
    app: {hosts: {h1: {}}}
    accessories: {hosts: {h4: {}}}
"""


@pytest.mark.parametrize("playbook", ["redeploy", "rollback"])
def test_a_run_over_hosts_of_accessories_alone_says_that_it_deploys_nothing(folder: Path, playbook: str) -> None:
    """A redeploy begins with the plays of a deploy."""
    (folder / "hosts.yml").write_text(BESIDE)
    code, output = play(folder, f"caravan.kamal.{playbook}", "-e", "kamal_version=v1", "--limit", "h4")
    assert code == 2, output
    assert "No host of a role takes part in this run" in output


SECRETS = "TOKEN=$(echo >> ran; echo S3ntinel >&2; echo t0ken)\n"
ENV_FILES = """\
- name: Plan, twice in a run
  hosts: shop
  gather_facts: false
  vars: {kamal_version: v1, kamal_build: false, kamal_command: deploy}
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.plan}
    - ansible.builtin.import_role: {name: caravan.kamal.plan}

- name: Use the secrets on every host
  hosts: shop
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.env}
    - ansible.builtin.import_role: {name: caravan.kamal.env}
"""


def test_a_command_of_a_secrets_file_runs_once_for_all_hosts_and_tasks(folder: Path) -> None:
    variables = folder / "group_vars" / "shop.yml"
    variables.write_text(variables.read_text().replace("  proxy:", "  env: {secret: [TOKEN]}\n  proxy:"))
    (folder / ".kamal" / "secrets").write_text(SECRETS)
    hook = folder / ".kamal" / "hooks" / "pre-init"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\necho >> hooked\n")
    hook.chmod(0o755)
    (folder / "site.yml").write_text(ENV_FILES)
    code, output = play(folder, "site.yml", "-vvvv", "--diff")
    assert code == 0, output
    assert (folder / ".kamal/apps/shop/env/roles/web.env").read_text() == "TOKEN=t0ken\n"
    assert ((folder / "ran").read_text(), (folder / "hooked").read_text()) == ("\n", "\n")
    assert output.count("S3ntinel") == 1
    assert "t0ken" not in output
