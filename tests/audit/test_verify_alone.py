"""`python -m audit.verify` as an auditor runs it: another machine, no Django, no settings, no database, no secret."""

import json
import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q

from audit import raw_rows, reading, rows, selections, statements
from audit.export_format import COLUMNS, NO_PROOF, head_of_selection, line_of
from audit.kinds import Kind
from audit.log import record
from audit.models import AuditChain
from audit.reading import Selection
from audit.selections import Format
from audit.spreadsheets import BOM
from tests.audit.evidence import Person, assert_whole, events_of
from tests.audit.export_scene import PRIVATE, PUBLIC, ROOT, Exported, export, hash_anew, run, written

pytestmark = pytest.mark.django_db
OTHER = statements.signing_key("HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=").public
FORBIDDING = """
import runpy, sys
class Forbids:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"django", "psycopg", "environ", "config", "accounts", "policies"}:
            raise ImportError(name)
sys.meta_path.insert(0, Forbids())
sys.path.insert(0, "")
runpy.run_module("audit.verify", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def directory(settings: Any, tmp_path: Path) -> Path:
    found = tmp_path / "checkpoints"
    found.mkdir()
    settings.AUDIT_CHECKPOINT_KEY = PRIVATE
    settings.AUDIT_CHECKPOINT_PUBLIC_KEYS = [PUBLIC]
    settings.AUDIT_CHECKPOINT_DIR = str(found)
    return found


@pytest.fixture
def exported(directory: Path, person: Person) -> Exported:
    return export(directory, person)


def check(exported: Exported, content: bytes | None = None, *, keys: str = PUBLIC, **more: Any) -> tuple[int, str]:
    """Exit code and output for a file with this content (without: as it was exported)."""
    file = exported.directory.parent / "chain.jsonl"
    file.write_bytes(written(exported.head, exported.events) if content is None else content)
    code, said, complaints = run(
        str(file), "--checkpoints", str(exported.directory), "--public-keys", *keys.split(), **more
    )
    assert complaints == ""
    return code, said


@pytest.mark.security(88)
def test_it_says_up_to_where_the_chain_is_proved_and_what_nothing_vouches_for(exported: Exported) -> None:
    code, said = check(exported, code=FORBIDDING)
    head, checkpoints, *rest = said.splitlines()
    assert code == 0
    assert head == f"Tenant {exported.head['chain']}: 9 events, exported on {exported.head['at']}."
    assert checkpoints.startswith("2 checkpoints, the last of ")
    assert rest == [
        "Numbers 1 to 9 fit together.",
        f"Proved up to number 6, by checkpoint 2 of {exported.promises[6].at}.",
        "Numbers 7 to 9 are newer than that: nothing signed vouches for them.",
    ]


@pytest.mark.security(88)
def test_a_copy_of_the_files_that_the_documentation_names_is_enough(exported: Exported, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    [named] = re.findall(r"```sh\ncp (audit/__init__.py [^\n]*?)\s+verifier/audit/\n", page.replace("\\\n", " "))
    home = tmp_path / "verifier"
    (home / "audit").mkdir(parents=True)
    for name in named.split():
        shutil.copy(ROOT / name, home / "audit")
    assert check(exported, home=home)[0] == 0
    loaded = "import sys, audit.verify; print(*sorted(n for n in sys.modules if n.startswith('audit')))"
    done = subprocess.run([sys.executable, "-c", loaded], cwd=home, capture_output=True, check=True, timeout=60)
    needed = {f"audit/{name.partition('.')[2] or '__init__'}.py" for name in done.stdout.decode().split()}
    assert needed == set(named.split())


@pytest.mark.security(88)
def test_what_was_rewritten_with_all_its_hashes_is_not_what_was_signed(exported: Exported) -> None:
    exported.events[4]["outcome"] = "refused"
    hash_anew(exported.events, 4)
    exported.head["hash"] = exported.events[-1]["hash"]
    code, said = check(exported)
    assert code == 1
    assert f"number 6, event {exported.events[5]['id']}: a signed checkpoint names another event here" in said
    assert "The change is after number 3, which checkpoint 1 proves." in said
    assert said.endswith("This is not what was recorded.\n")


@pytest.mark.security(88)
def test_an_edit_after_the_last_checkpoint_is_found_unless_all_is_hashed_anew(exported: Exported) -> None:
    exported.events[7]["outcome"] = "refused"
    assert check(exported)[0] == 1
    hash_anew(exported.events, 7)
    exported.head["hash"] = exported.events[-1]["hash"]
    code, said = check(exported)
    assert code == 0  # the window that the answer names
    assert "Numbers 7 to 9 are newer than that: nothing signed vouches for them." in said


@pytest.mark.security(88)
def test_a_file_that_ends_before_the_newest_checkpoint_says_so(exported: Exported) -> None:
    exported.head.update(sequence=4, hash=exported.events[3]["hash"])
    code, said = check(exported, written(exported.head, exported.events[:4]))
    assert (code, "number 5: from here on the newest events were cut off" in said) == (1, True)
    exported.head["at"] = "2020-01-01T00:00:00.000000Z"
    code, said = check(exported, written(exported.head, exported.events[:4]))
    assert code == 4
    assert "knows number 6. The file says that it is older; or its end was cut off." in said


@pytest.mark.security(88)
def test_without_checkpoints_nothing_is_proved(exported: Exported, tmp_path: Path) -> None:
    content = written(exported.head, exported.events)
    code, said, complaints = run("-", stdin=content)
    assert (code, complaints) == (3, "")
    assert said.splitlines()[1:] == [
        "Numbers 1 to 9 fit together.",
        "No checkpoint names an event of it: whoever wrote the file could have made all this up.",
    ]
    exported.head["chain"] = str(uuid4())
    assert check(exported, written(exported.head | {"sequence": 0, "hash": "0" * 64}, []))[0] == 3
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert run("-", "--checkpoints", str(nothing), "--public-keys", PUBLIC, stdin=content)[0] == 3


@pytest.mark.security(88)
def test_a_selection_proves_nothing_and_that_is_said(exported: Exported) -> None:
    content = line_of(head_of_selection({"kind": "sign_in:failed"}, at=events_of(None)[0].at)).encode()
    assert check(exported, content) == (3, f"{NO_PROOF} Ask for an export of the whole chain.\n")


@pytest.mark.security(88)
@pytest.mark.parametrize("ends", ["\r\n", "\n"])
@pytest.mark.parametrize("mark", [BOM, ""])
def test_a_selection_as_csv_is_known_by_its_columns(exported: Exported, mark: str, ends: str) -> None:
    """Also without the mark of the encoding, and with line ends of another system."""
    events = list(next(reading.batches(Selection(branches=(Q(),)), selections.read())))
    content = selections.head(Format.CSV, {"kind": "sign_in:failed"}, events_of(None)[0].at)
    content += selections.lines(Format.CSV, events)
    text = content.decode().removeprefix(BOM).replace("\r\n", ends)
    assert text.startswith("id,user_id,")
    assert check(exported, (mark + text).encode()) == (3, f"{NO_PROOF} Ask for an export of the whole chain.\n")


def test_another_list_as_csv_is_no_selection(exported: Exported) -> None:
    for head in ("id,user_id", f"{','.join(COLUMNS)},more", f"x{','.join(COLUMNS)}"):
        code, said = check(exported, f"{head}\r\n".encode())
        assert (code, "its first line is none of an export of the record" in said) == (3, True)


@pytest.mark.security(88)
def test_checkpoints_that_were_changed_or_taken_away_are_told(exported: Exported) -> None:
    first, second = sorted(exported.directory.iterdir())
    text = second.read_text()
    second.chmod(0o600)
    second.write_text(text.replace('"number":2', '"number":3'))
    code, said = check(exported)
    assert (code, "Checkpoints were tampered with" in said) == (1, True)
    second.write_text(text)
    assert check(exported)[0] == 0
    second.rename(second.with_name("checkpoint-\nNumbers 1 to 9 fit together..json"))
    first.unlink()
    code, said = check(exported)
    assert (code, "the checkpoint before it is missing" in said, len(said.splitlines())) == (1, True, 2)


def test_all_public_keys_are_needed_and_a_file_of_them_will_do(exported: Exported, tmp_path: Path) -> None:
    assert check(exported, keys=OTHER)[0] == 3
    assert check(exported, keys="short")[0] == 3
    assert check(exported, keys=f"{OTHER},{PUBLIC}")[0] == 0
    several = tmp_path / "keys.txt"
    several.write_text(f"{OTHER}\n{PUBLIC}\n")
    assert check(exported, keys=f"@{several}")[0] == 0


@pytest.mark.parametrize(
    "arguments", [[], ["x", "--checkpoints", "."], ["x", "--public-keys", PUBLIC], ["x", "--tenant", "y"]]
)
def test_wrong_arguments_end_with_2(arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


def test_a_file_that_is_none_ends_with_3(exported: Exported, tmp_path: Path) -> None:
    assert run(str(tmp_path / "nowhere"))[0] == 3
    assert run(str(tmp_path))[0] == 3
    for content in (b"", b"{}", b"\x1f\x8b\x08", b'{"format":"gatehouse-audit","version":9,"whole":true}'):
        assert check(exported, content)[0] == 3, content


def command(*arguments: str) -> tuple[int, str]:
    """The exit code of the exporting command, and what it wrote."""
    out, complaints = StringIO(), StringIO()
    try:
        call_command("audit_export_chain", *arguments, stdout=out, stderr=complaints)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


@pytest.mark.security(88)
def test_the_command_writes_the_whole_chain_and_its_own_event(person: Person, tmp_path: Path) -> None:
    for number in range(4):
        record(Kind.SIGNED_OUT, target=person, count=number)
    code, text = command("--tenant", str(person.tenant_id))
    head, *events = map(json.loads, text.splitlines())
    stored = events_of(person.tenant_id)
    assert (code, head["sequence"], head["hash"]) == (0, 5, stored[-1].hash)
    assert [each["hash"] for each in events] == [each.hash for each in stored]
    assert (stored[-1].kind, stored[-1].actor_label) == (Kind.CHAIN_EXPORTED, "system")
    assert stored[-1].payload == {"chain": str(person.tenant_id)}
    assert_whole(person.tenant_id, length=5)


def test_the_command_writes_a_new_file_for_its_owner_alone(tmp_path: Path) -> None:
    record(Kind.SIGNED_OUT)
    file = tmp_path / "chain.jsonl"
    assert command("--output", str(file)) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().splitlines()) == 1 + len(events_of(None))
    before = file.read_text()
    assert command("--output", str(file))[0] == 1
    assert file.read_text() == before


def test_an_id_under_which_nothing_is_recorded_begins_no_chain() -> None:
    before = AuditChain.objects.count()
    code, said = command("--tenant", str(uuid4()))
    assert (code, said) == (3, "Nothing is recorded under that id.")
    assert AuditChain.objects.count() == before
    with pytest.raises(CommandError):
        call_command("audit_export_chain", "--tenant", "acme")


def test_a_chain_is_read_in_pages(
    person: Person, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rows, raw_rows):
        monkeypatch.setattr(module, "PAGE", 2)
    for _ in range(4):
        record(Kind.SIGNED_OUT, target=person)
    recording = 2 if connection.vendor == "postgresql" else 3
    with django_assert_num_queries(recording + 5):  # is it there, where it ends, three pages
        code, text = command("--tenant", str(person.tenant_id))
    assert (code, len(text.splitlines())) == (0, 6)
