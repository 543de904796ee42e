# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each adapter asks of its password manager, and what it makes of the answers."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets import adapters, kamal_command
from vendors import Vendors, printed

# Neither these values nor what the tools hold may be in an argument.
PRIVATE = ("T0KEN", "PASSW0RD", "value", "välue")


@dataclass
class Case:
    """`answers` are given in the order in which they are asked for, each of them at least once."""

    name: str
    argv: str
    answers: dict[str, Any]
    found: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    # The environment that the last call has besides that of the run.
    added: dict[str, str] = field(default_factory=dict)
    error: str = ""


def field_1p(reference: str, value: str | None) -> dict[str, Any]:
    return {"id": "a", "type": "CONCEALED", "label": reference.rpartition("/")[2], "reference": f"op://{reference}"} | (
        {} if value is None else {"value": value}
    )


OP = "op item get Item --vault Vault --format json --account acme"
OP_IN = {"op account get --account acme": "ACCOUNT"}
OP_OUT = {"op account get --account acme": {"rc": 1, "err": "no such account"}}
ONE_PASSWORD = [
    Case(
        "1password: fields of an item",
        "-a 1password --account acme --from op://Vault/Item section/A section/B password",
        OP_IN
        | {
            f"{OP} --fields label=section.A,label=section.B,label=password": printed(
                [
                    field_1p("Vault/Item/section/A", "value 1"),
                    field_1p("Vault/Item/section/B", "välue\n2"),
                    field_1p("Vault/Item/password", "value 3"),
                ]
            )
        },
        {"Vault/Item/section/A": "value 1", "Vault/Item/section/B": "välue\n2", "Vault/Item": "value 3"},
    ),
    Case(
        "1password: one field, of an item without a field, and of a second one",
        "--adapter=1PASSWORD --account=acme Vault/Item op://Vault/Other/B",
        OP_IN
        | {
            f"{OP} --fields label=password": printed(field_1p("Vault/Item/password", "value 1")),
            OP.replace("Item", "Other") + " --fields label=B": printed(field_1p("Vault/Other/B", "value 2")),
        },
        {"Vault/Item": "value 1", "Vault/Other/B": "value 2"},
    ),
    Case(
        "1password: all fields",
        "-a one_password --account acme --from Vault/Item",
        OP_IN
        | {OP: printed({"id": "i", "fields": [field_1p("Vault/Item/A", "value"), field_1p("Vault/Item/notes", None)]})},
        {"Vault/Item/A": "value"},
    ),
    Case(
        "1password: signs in, and hands the session on",
        "-a 1password --account acme Vault/Item/A",
        OP_OUT
        | {
            "op signin --account acme --force": 'export OP_SESSION_USER1="T0KEN"\n# This command is meant for eval.\n',
            f"{OP} --fields label=A": printed(field_1p("Vault/Item/A", "value")),
        },
        {"Vault/Item/A": "value"},
        added={"OP_SESSION_USER1": "T0KEN"},
    ),
    Case(
        "1password: signs in through the app, without a session",
        "-a 1password --account acme Vault/Item/A",
        OP_OUT
        | {
            "op signin --account acme --force": "",
            f"{OP} --fields label=A": printed(field_1p("Vault/Item/A", "value")),
        },
        {"Vault/Item/A": "value"},
    ),
    Case(
        "1password: a service account needs no account",
        "-a 1password Vault/Item/A",
        {"op item get Item --vault Vault --format json --fields label=A": printed(field_1p("Vault/Item/A", "value"))},
        {"Vault/Item/A": "value"},
        environ={"OP_SERVICE_ACCOUNT_TOKEN": "T0KEN"},
    ),
    Case(
        "1password: no account",
        "-a 1password Vault/Item/A",
        {},
        error="1password: the option --account is missing. Give the account's sign-in address",
    ),
    Case(
        "1password: cannot sign in",
        "-a 1password --account acme Vault/Item/A",
        OP_OUT | {"op signin --account acme --force": {"rc": 1, "err": "[ERROR] no terminal, $OP_SESSION_X"}},
        environ={"OP_SESSION_X": "T0KEN"},
        error="cannot sign in to acme: [ERROR] no terminal, [REDACTED]. Sign in before (op signin)",
    ),
    Case(
        "1password: a field that is not there",
        "-a 1password --account acme Vault/Item/A",
        OP_IN | {f"{OP} --fields label=A": {"rc": 1, "err": '[ERROR] "A" isn\'t a field in the "Item" item'}},
        error='cannot read Item in the vault Vault: [ERROR] "A" isn\'t a field in the "Item" item. Sign in',
    ),
    Case(
        "1password: an empty field",
        "-a 1password --account acme Vault/Item/A",
        OP_IN | {f"{OP} --fields label=A": printed(field_1p("Vault/Item/A", None))},
        error="1password: Vault/Item/A has no value. Fill it in",
    ),
    Case(
        "1password: no item",
        "-a 1password --account acme PASSWORD",
        OP_IN,
        error="PASSWORD does not say which item of which vault is meant. Name it as VAULT/ITEM",
    ),
    Case(
        "1password: neither item nor name",
        "-a 1password --account acme",
        OP_IN,
        error="nothing does not say which item",
    ),
    Case(
        "1password: another form",
        "-a 1password --account acme --from Vault/Item",
        OP_IN | {OP: "[]"},
        error="op answered in a form that is not expected. Install the 1Password CLI",
    ),
]

BW_OPEN = {"bw status": '{"status":"unlocked"}\n', "bw sync": "Syncing complete."}
BW_LOCKED = {"bw status": ['{"status":"locked"}', '{"status":"unlocked"}']}
BW_OUT = {"bw status": ['{"status":"unauthenticated"}', '{"status":"locked"}', '{"status":"unlocked"}']}
BW_ITEM = printed(
    {
        "name": "item",
        "fields": [{"name": "A", "value": "value 1"}, {"name": "B/C", "value": "value 2"}, {"name": "A", "value": "x"}],
        "login": {"password": None},
    }
)
BW_LOGIN = printed({"name": "login", "login": {"password": "value"}, "fields": [{"name": "A", "value": "value 1"}]})
BITWARDEN = [
    Case(
        "bitwarden: a password and fields",
        "-a bitwarden --account me@x login item/A item/B/C login/A",
        BW_OPEN | {"bw get item login": BW_LOGIN, "bw get item item": BW_ITEM},
        {"login": "value", "login/A": "value 1", "item/A": "value 1", "item/B/C": "value 2"},
    ),
    Case(
        "bitwarden: all fields of an item without a password",
        "-a bitwarden --account me@x item",
        BW_OPEN | {"bw get item item": BW_ITEM},
        {"item/A": "value 1", "item/B/C": "value 2"},
    ),
    Case(
        "bitwarden: unlocks, and hands the session on",
        "-a bitwarden --account me@x --from item A",
        BW_LOCKED | {"bw unlock --raw": "T0KEN\n", "bw sync": "", "bw get item item": BW_ITEM},
        {"item/A": "value 1"},
        added={"BW_SESSION": "T0KEN"},
    ),
    Case(
        "bitwarden: logs in",
        "-a bitwarden --account me@x item/A",
        BW_OUT | {"bw login me@x": "", "bw unlock --raw": "", "bw sync": "", "bw get item item": BW_ITEM},
        {"item/A": "value 1"},
    ),
    Case(
        "bitwarden: logs in and unlocks without a terminal",
        "-a bitwarden --account me@x item/A",
        BW_OUT
        | {
            "bw login --apikey": "",
            "bw unlock --raw --passwordenv BW_PASSWORD": "T0KEN",
            "bw sync": "",
            "bw get item item": BW_ITEM,
        },
        {"item/A": "value 1"},
        environ={"BW_CLIENTID": "T0KEN", "BW_CLIENTSECRET": "T0KEN", "BW_PASSWORD": "PASSW0RD"},
        added={"BW_SESSION": "T0KEN"},
    ),
    Case(
        "bitwarden: stays locked",
        "-a bitwarden --account me@x item/A",
        {"bw status": '{"status":"locked"}', "bw unlock --raw": ""},
        error="bitwarden: the vault is locked. Unlock the vault before (export BW_SESSION=",
    ),
    Case(
        "bitwarden: no such field",
        "-a bitwarden --account me@x item/Z",
        BW_OPEN | {"bw get item item": BW_ITEM},
        error="bitwarden: item has no field Z. Its custom fields are: A, B/C.",
    ),
    Case(
        "bitwarden: an item without anything",
        "-a bitwarden --account me@x note",
        BW_OPEN | {"bw get item note": printed({"name": "note", "secureNote": {}})},
        error="note has neither a password nor custom fields",
    ),
    Case(
        "bitwarden: no such item",
        "-a bitwarden --account me@x note",
        BW_OPEN | {"bw get item note": {"rc": 1, "err": "Not found."}},
        error="cannot read note: Not found. Unlock",
    ),
    Case(
        "bitwarden: no name", "-a bitwarden --account me@x", {}, error="Name at least one secret: ITEM or ITEM/FIELD."
    ),
]

BWS = {"bws project list": "[]"}
BWS_ITEMS = printed([{"key": "A", "value": "value 1"}, {"key": "B", "value": "value\n2"}])
BITWARDEN_SM = [
    Case(
        "bitwarden-sm: by their IDs",
        "-a bitwarden-sm 82ae 6f8c",
        BWS
        | {
            "bws secret get 82ae": printed({"key": "A", "value": "value 1"}),
            "bws secret get 6f8c": printed({"key": "B", "value": "value 2"}),
        },
        {"A": "value 1", "B": "value 2"},
    ),
    Case(
        "bitwarden-sm: all",
        "-a bitwarden_secrets_manager all",
        BWS | {"bws secret list": BWS_ITEMS},
        {"A": "value 1", "B": "value\n2"},
    ),
    Case(
        "bitwarden-sm: all of a project",
        "-a bitwarden-sm all --from 82ae",
        BWS | {"bws secret list 82ae": BWS_ITEMS},
        {"A": "value 1", "B": "value\n2"},
    ),
    Case(
        "bitwarden-sm: no token",
        "-a bitwarden-sm all",
        {"bws project list": {"rc": 1, "err": "Missing access token"}},
        error="the access token is refused: Missing access token. Set BWS_ACCESS_TOKEN",
    ),
    Case(
        "bitwarden-sm: no name", "-a bitwarden-sm", {}, error="Name at least one secret: its ID, all, or PROJECT/all."
    ),
]


def aws_answer(*values: tuple[str, str], errors: Any = ()) -> str:
    return printed({"SecretValues": [{"Name": name, "SecretString": text} for name, text in values], "Errors": errors})


AWS = "aws secretsmanager batch-get-secret-value --secret-id-list"
MANY = [f"n{number}" for number in range(23)]
AWS_CASES = [
    Case(
        "aws: objects and text",
        "-a aws_secrets_manager --account prod app/db app/token app/number app/quoted app/list",
        {
            f"{AWS} app/db app/token app/number app/quoted app/list --profile prod --output json": aws_answer(
                ("app/db", '{"URL": "value", "PORT": 5432, "TLS": true, "MORE": {"a": ["ü"]}}'),
                ("app/token", "a-value"),
                ("app/number", "1.10"),
                ("app/quoted", '"a value"'),
                ("app/list", "[1, 2]"),
            )
        },
        {
            "app/db/URL": "value",
            "app/db/PORT": "5432",
            "app/db/TLS": "true",
            "app/db/MORE": '{"a":["ü"]}',
            "app/token": "a-value",
            "app/number": "1.10",
            "app/quoted": "a value",
            "app/list": "[1, 2]",
        },
    ),
    Case(
        "aws: a prefix, and no profile",
        "-a aws_secrets_manager --from app db",
        {f"{AWS} app/db --output json": aws_answer(("app/db", "a-value"))},
        {"app/db": "a-value"},
    ),
    Case(
        "aws: more than one call answers",
        f"-a aws_secrets_manager {' '.join(MANY)}",
        {
            f"{AWS} {' '.join(MANY[:20])} --output json": aws_answer(*((name, "x") for name in MANY[:20])),
            f"{AWS} {' '.join(MANY[20:])} --output json": aws_answer(*((name, "x") for name in MANY[20:])),
        },
        dict.fromkeys(MANY, "x"),
    ),
    Case(
        "aws: all that is missing",
        "-a aws_secrets_manager A B",
        {
            f"{AWS} A B --output json": aws_answer(
                errors=[{"SecretId": name, "Message": "Secrets Manager can't find it."} for name in "AB"]
            )
        },
        error="A: Secrets Manager can't find it. B: Secrets Manager can't find it. See that the names",
    ),
    Case(
        "aws: bytes",
        "-a aws_secrets_manager A",
        {f"{AWS} A --output json": printed({"SecretValues": [{"Name": "A", "SecretBinary": "eA=="}]})},
        error="A holds bytes, not text",
    ),
]

DOPPLER_IN = {"doppler me --json": "{}"}
DOPPLER = [
    Case(
        "doppler: from a project and config",
        "-a doppler --from app/prd A B",
        DOPPLER_IN
        | {
            "doppler secrets get A B --json -p app -c prd": printed(
                {"A": {"computed": "value 1", "note": ""}, "B": {"computed": "value 2"}}
            )
        },
        {"A": "value 1", "B": "value 2"},
    ),
    Case(
        "doppler: each from its own",
        "-a doppler app/prd/A app/dev/B",
        DOPPLER_IN
        | {
            "doppler secrets get A --json -p app -c prd": printed({"A": {"computed": "value 1"}}),
            "doppler secrets get B --json -p app -c dev": printed({"B": {"computed": "value 2"}}),
        },
        {"A": "value 1", "B": "value 2"},
    ),
    Case(
        "doppler: a service token knows its config",
        "-a doppler A app/prd/B",
        DOPPLER_IN
        | {"doppler secrets get A B --json": printed({"A": {"computed": "value 1"}, "B": {"computed": "value 2"}})},
        {"A": "value 1", "B": "value 2"},
        environ={"DOPPLER_TOKEN": "dp.st.T0KEN"},
    ),
    Case(
        "doppler: logs in",
        "-a doppler --from app/prd A",
        {
            "doppler me --json": 1,
            "doppler login -y": "",
            "doppler secrets get A --json -p app -c prd": printed({"A": {"computed": "value"}}),
        },
        {"A": "value"},
    ),
    Case("doppler: no project", "-a doppler A", DOPPLER_IN, error="A does not say in which project and config it is"),
    Case(
        "doppler: cannot log in",
        "-a doppler --from app/prd A",
        {"doppler me --json": 1, "doppler login -y": {"rc": 1, "err": "Doppler Error: no browser"}},
        error="cannot log in: Doppler Error: no browser. Log in before (doppler login)",
    ),
    Case(
        "doppler: one name in two configs",
        "-a doppler app/prd/A app/dev/A",
        DOPPLER_IN
        | {
            f"doppler secrets get A --json -p app -c {name}": printed({"A": {"computed": "x"}})
            for name in ("prd", "dev")
        },
        error="doppler: A is asked for in two places",
    ),
]

CARDS = printed(
    [
        {"title": "App", "label": "A", "password": "value 1"},
        {"title": "App", "label": "B", "password": "value 2"},
        {"title": "App", "label": "", "password": "value 3"},
        {"title": "Application", "label": "A", "password": "x"},
    ]
)
ENPASS = [
    Case(
        "enpass: a title",
        "-a enpass --from /vault App",
        {"enpass-cli -json -vault /vault show App": CARDS},
        {"App/A": "value 1", "App/B": "value 2", "App": "value 3"},
    ),
    Case(
        "enpass: labels",
        "-a enpass --from /vault App/A App/B",
        {"enpass-cli -json -vault /vault show App": CARDS},
        {"App/A": "value 1", "App/B": "value 2"},
    ),
    Case("enpass: no vault", "-a enpass App", {}, error="the option --from is missing. Give the folder of the vault."),
    Case(
        "enpass: not there",
        "-a enpass --from /vault App/Z",
        {"enpass-cli -json -vault /vault show App": CARDS},
        error="there is no App/Z",
    ),
    Case(
        "enpass: there twice",
        "-a enpass --from /vault App/A",
        {"enpass-cli -json -vault /vault show App": printed([{"title": "App", "label": "A", "password": "x"}] * 2)},
        error="App/A is there more than once",
    ),
]

GCLOUD = "gcloud secrets versions access"
GCLOUD_IN = {"gcloud auth list --format=json": '[{"account": "me@x", "status": "ACTIVE"}]'}


def payload(data: str) -> str:
    return printed({"name": "projects/1/secrets/x/versions/1", "payload": {"data": data}})


GCP = [
    Case(
        "gcp: names, projects and versions",
        "-a gcp --account default A default/B other/C other/D/7",
        GCLOUD_IN
        | {
            f"{GCLOUD} latest --secret=A --format=json": payload("dmFsdWUgMQ=="),
            f"{GCLOUD} latest --secret=B --format=json": payload("w6Q_w7_Dvj4-"),
            f"{GCLOUD} latest --secret=C --project=other --format=json": payload("w6Q/w7/Dvj4+"),
            f"{GCLOUD} 7 --secret=D --project=other --format=json": payload("dmFsdWUgNA=="),
        },
        {"A": "value 1", "B": "ä?ÿþ>>", "other/C": "ä?ÿþ>>", "other/D": "value 4"},
    ),
    Case(
        "gcp: as a user, for others",
        "-a gcp_secret_manager --account me@x|a@x,b@x --from app A",
        GCLOUD_IN
        | {
            f"{GCLOUD} latest --secret=A --project=app --account=me@x --impersonate-service-account=a@x,b@x"
            " --format=json": payload("dmFsdWU=")
        },
        {"app/A": "value"},
    ),
    Case(
        "gcp: nobody",
        "-a gcp --account default A",
        {"gcloud auth list --format=json": "[]"},
        error="nobody is logged in to gcloud. Log in before (gcloud auth login)",
    ),
    Case(
        "gcp: no account", "-a gcp A", {}, error="the option --account is missing. Give default or the e-mail address"
    ),
    Case(
        "gcp: no text",
        "-a gcp --account default A",
        GCLOUD_IN | {f"{GCLOUD} latest --secret=A --format=json": payload("/w==")},
        error="A is no text",
    ),
    Case(
        "gcp: too many parts",
        "-a gcp --account default a/b/c/d",
        GCLOUD_IN,
        error="not of the form PROJECT/NAME/VERSION",
    ),
]

LASTPASS_IN = {"lpass status --color never": "Logged in as me@x.\n"}
LASTPASS = [
    Case(
        "lastpass: names and folders",
        "-a lastpass --account me@x A Folder/B",
        LASTPASS_IN
        | {
            "lpass show A Folder/B --json": printed(
                [{"fullname": "A", "password": "value 1"}, {"fullname": "Folder/B", "password": "value 2"}]
            )
        },
        {"A": "value 1", "Folder/B": "value 2"},
    ),
    Case(
        "lastpass: logs in, and a folder for all",
        "-a last_pass --account me@x --from Folder B",
        {
            "lpass status --color never": {"out": "Logged in as somebody@else.", "rc": 0},
            "lpass login me@x": "",
            "lpass show Folder/B --json": printed([{"fullname": "Folder/B", "password": "value"}]),
        },
        {"Folder/B": "value"},
    ),
    Case(
        "lastpass: missing",
        "-a lastpass --account me@x A B C",
        LASTPASS_IN | {"lpass show A B C --json": printed([{"fullname": "B", "password": "x"}])},
        error="lastpass: there is no A, C.",
    ),
]

PB = {"passbolt verify": ""}
PB_FOLDERS = "passbolt list folders --filter"
PB_LIST = "passbolt list resources --filter"
PASSBOLT = [
    Case(
        "passbolt: without folders",
        "-a passbolt A B",
        PB
        | {
            f'{PB_LIST} Name == "A" || Name == "B" --json': printed(
                [{"name": "A", "password": "value 1"}, {"name": "B", "password": "value 2"}]
            )
        },
        {"A": "value 1", "B": "value 2"},
    ),
    Case(
        "passbolt: folders in folders",
        "-a passbolt --from app/sub A other/B",
        PB
        | {
            f'{PB_FOLDERS} Name == "app" --json': printed(
                [{"id": "id0", "folder_parent_id": "id9"}, {"id": "id1", "folder_parent_id": ""}]
            ),
            f'{PB_FOLDERS} Name == "sub" && FolderParentID == "id1" --json': '[{"id": "id2"}]',
            f'{PB_LIST} Name == "A" --folder id2 --json': printed([{"name": "A", "password": "value 1"}]),
            f'{PB_FOLDERS} Name == "other" && FolderParentID == "id2" --json': '[{"id": "id3"}]',
            f'{PB_LIST} Name == "B" --folder id3 --json': printed([{"name": "B", "password": "value 2"}]),
        },
        {"A": "value 1", "B": "value 2"},
    ),
    Case(
        "passbolt: a name with quotes in it",
        "-a passbolt 'an \"A\"'",
        PB | {rf'{PB_LIST} Name == "an \"A\"" --json': "null"},
        error='there is no an "A".',
    ),
    Case(
        "passbolt: no such folder",
        "-a passbolt app/A",
        PB | {f'{PB_FOLDERS} Name == "app" --json': "[]"},
        error="there is no folder app.",
    ),
    Case(
        "passbolt: not there",
        "-a passbolt A B",
        PB | {f'{PB_LIST} Name == "A" || Name == "B" --json': printed([{"name": "A", "password": "x"}])},
        error="there is no B.",
    ),
    Case(
        "passbolt: no server",
        "-a passbolt A",
        {"passbolt verify": {"rc": 1, "err": "Error: no such host"}},
        error="the server cannot be verified: Error: no such host. Configure it before",
    ),
]

SOPS_FILE = printed({"db": {"password": "value 1", "port": 5432}, "key": "value 2", "db2": {"x": "y"}})
SOPS = [
    Case(
        "sops: all",
        "-a sops --from secrets.enc.yml",
        {"sops --decrypt --output-type json {folder}/secrets.enc.yml": SOPS_FILE},
        {"db/password": "value 1", "db/port": "5432", "key": "value 2", "db2/x": "y"},
    ),
    Case(
        "sops: a key and a map",
        "-a sops --from secrets.enc.yml key db",
        {"sops --decrypt --output-type json {folder}/secrets.enc.yml": SOPS_FILE},
        {"db/password": "value 1", "db/port": "5432", "key": "value 2"},
    ),
    Case(
        "sops: missing",
        "-a sops --from secrets.enc.yml d key db/x",
        {"sops --decrypt --output-type json {folder}/secrets.enc.yml": SOPS_FILE},
        error="secrets.enc.yml has no d, db/x",
    ),
    Case("sops: no option", "-a sops key", {}, error="the option --from is missing. Give the encrypted file."),
    Case("sops: no file", "-a sops --from none.yml", {"sops x": ""}, error="there is no file"),
    Case(
        "sops: no key for it",
        "-a sops --from secrets.enc.yml",
        {
            "sops --decrypt --output-type json {folder}/secrets.enc.yml": {
                "rc": 128,
                "err": "Failed to get the data key",
            }
        },
        error="secrets.enc.yml: Failed to get the data key. See that the key for it is here",
    ),
]

KV = "vault kv get -format=json"
KV_2 = printed(
    {"data": {"data": {"A": "value 1", "N": 5}, "metadata": {"created_time": "2026-01-01T00:00:00Z", "version": 3}}}
)
KV_1 = printed({"lease_duration": 2764800, "data": {"data": "value 1", "metadata": "value 2"}})
VAULT = [
    Case(
        "vault: fields by version 2",
        "-a vault --from secret/app A N",
        {f"{KV} secret/app": KV_2},
        {"secret/app/A": "value 1", "secret/app/N": "5"},
    ),
    Case(
        "vault: all fields by version 1, in a namespace",
        "-a vault --from kv/app --account team",
        {f"{KV} kv/app": KV_1},
        {"kv/app/data": "value 1", "kv/app/metadata": "value 2"},
        environ={"VAULT_TOKEN": "T0KEN"},
        added={"VAULT_NAMESPACE": "team"},
    ),
    Case(
        "vault: whole names",
        "-a hashicorp_vault secret/app/A kv/other/data",
        {f"{KV} secret/app": KV_2, f"{KV} kv/other": KV_1},
        {"secret/app/A": "value 1", "kv/other/data": "value 1"},
    ),
    Case(
        "vault: no such field",
        "-a vault secret/app/Z",
        {f"{KV} secret/app": KV_2},
        error="secret/app has no field Z. Its fields are: A, N.",
    ),
    Case(
        "vault: deleted",
        "-a vault secret/app/A",
        {f"{KV} secret/app": printed({"data": {"data": None, "metadata": {"created_time": "x"}}})},
        error="the newest version of secret/app was deleted",
    ),
    Case(
        "vault: forbidden",
        "-a vault secret/app/A",
        {f"{KV} secret/app": {"rc": 2, "err": "Code: 403. Errors: permission denied, $VAULT_TOKEN"}},
        environ={"VAULT_TOKEN": "T0KEN"},
        error="cannot read secret/app: Code: 403. Errors: permission denied, [REDACTED]. Set VAULT_ADDR",
    ),
    Case("vault: no path", "-a vault A", {"vault x": ""}, error="A is not of the form MOUNT/PATH/FIELD"),
    Case("vault: nothing", "-a vault", {"vault x": ""}, error="nothing is asked for. Name MOUNT/PATH/FIELD"),
]

TEST = [
    Case(
        "test: backwards",
        "-a test --account any --from x/y AB CLPARENDRPARENE",
        {},
        {"x/y/AB": "BA/y/x", "x/y/CLPARENDRPARENE": "E)D(C/y/x"},
    ),
    Case("test: no account", "-a test AB", {}, error="the option --account is missing. Give any name."),
]

CASES = [
    *ONE_PASSWORD,
    *BITWARDEN,
    *BITWARDEN_SM,
    *AWS_CASES,
    *DOPPLER,
    *ENPASS,
    *GCP,
    *LASTPASS,
    *PASSBOLT,
    *SOPS,
    *VAULT,
    *TEST,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "secrets.enc.yml").write_text("sops: {}\n")
    return project


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fetch(case: Case, folder: Path, tmp_path: Path) -> None:
    answers = {asked.format(folder=folder): answer for asked, answer in case.answers.items()}
    vendors = Vendors.of(tmp_path, answers)
    # The vendors of cases that end before anything is asked are there too.
    environ = {"PATH": str(vendors.bin), "HOME": "/home/me", "PWD": str(folder), **case.environ}
    argv = ["fetch", *shlex.split(case.argv)]
    if case.error:
        with pytest.raises(SecretError) as raised:
            kamal_command.run(argv, environ, str(folder))
        assert case.error in raised.value.message
        assert "T0KEN" not in raised.value.message
    else:
        assert json.loads(shlex.split(kamal_command.run(argv, environ, str(folder)))[0]) == case.found
        assert list(dict.fromkeys(vendors.asked)) == list(answers)
        assert [call["environ"] for call in vendors.calls][-1:] in ([], [{**environ, **case.added}])
    words = {word for call in vendors.calls for word in call["argv"]} - {"batch-get-secret-value"}
    assert not [word for word in words if any(secret in word for secret in PRIVATE)]
    assert {call["folder"] for call in vendors.calls} <= {str(folder)}


@pytest.mark.parametrize(
    "adapter", [each for each in adapters.ADAPTERS.values() if each.command], ids=lambda each: each.name
)
def test_a_tool_that_is_not_installed_says_where_to_get_it(adapter, tmp_path: Path) -> None:
    argv = ["fetch", "-a", adapter.name, "--account", "a", "--from", "a/b", "c/d/e"]
    with pytest.raises(
        SecretError, match=rf"^{adapter.name}: its command {adapter.command} is not installed\. Install .*http"
    ):
        kamal_command.run(argv, {"PATH": str(tmp_path)}, str(tmp_path))


def test_every_adapter_has_a_case_that_works_and_one_that_does_not() -> None:
    tried = {(adapters.adapter(shlex.split(case.argv.replace("=", " "))[1]).name, bool(case.error)) for case in CASES}
    assert tried == {(name, failed) for name in adapters.ADAPTERS for failed in (False, True)}
