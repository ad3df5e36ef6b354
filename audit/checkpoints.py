"""Making checkpoints: signed by the process that has the key, and written outside the database.

Nobody has to ask for one: what makes one due stands in the record, in the transaction of what happened. Nothing is
signed that was not looked at: from where the last checkpoint stands every event is computed anew, with its seal. A
chain that is not whole keeps the place that was signed last, and somebody is called.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from errno import EEXIST
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from audit import keys, rows, statements
from audit.chain import GENESIS, PLATFORM
from audit.damage import Damage, Finding
from audit.errors import CheckpointUnsound, RecordNotWhole
from audit.identifiers import earliest, uuid7
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditEvent, Checkpoint
from audit.statements import Statement
from audit.verification import fault_after

EVERY: Final = timedelta(days=1)
OVERLAP: Final = timedelta(minutes=10)  # an event is dated when it happens, and seen when its transaction ends
MAIL_SECONDS: Final = 30  # that a mail server may take to answer
WEIGHTY: Final = (
    Kind.POLICY_PUBLISHED,
    Kind.POLICY_REPORT_STARTED,
    Kind.POLICY_REVERTED,
    Kind.POLICY_SWITCHED_OFF,
    Kind.POLICY_SWITCHED_ON,
    Kind.MFA_RESET,
    Kind.KEY_CANARY_MADE,
    Kind.KEY_ROTATION_STARTED,
    Kind.KEY_ROTATION_FINISHED,
    Kind.KEY_ROTATION_FAILED,
    Kind.KEY_RETIRED,
    Kind.KEY_ADOPTION_FINISHED,
)
"""What a checkpoint follows soon, instead of within a day."""

logger = logging.getLogger(__name__)


def is_able() -> bool:
    """Whether this process has the key. The site's own processes should not."""
    return bool(settings.AUDIT_CHECKPOINT_KEY)


def is_due(now: datetime) -> bool:
    """Whether a day has passed, something weighty was recorded, or a key of the record changed since the last one.

    What the last one says is believed by its signature alone: who writes to its row can make one due, and never put one
    off. Raises KeyMalformed.
    """
    key = statements.signing_key(settings.AUDIT_CHECKPOINT_KEY)
    said = _said(Checkpoint.objects.order_by("-number").first(), [key.public])
    if said is None or (at := datetime.fromisoformat(said.at)) <= now - EVERY:
        return True
    heads = {UUID(chain): number for chain, (number, _digest) in said.heads.items()}
    recent = AuditEvent.objects.filter(kind__in=WEIGHTY, id__gt=uuid7(at - OVERLAP))
    if any(not isinstance(number, int) or number > heads.get(chain, 0) for chain, number in rows.numbers_of(recent)):
        return True
    return _has_new_hmac_key(at)


def _has_new_hmac_key(at: datetime) -> bool:
    """Whether the newest event was sealed under another key than the newest of that time."""
    sealed = AuditEvent.objects.order_by("-id").values_list("key_id", flat=True)
    before = sealed.filter(id__lt=earliest(at)).first()
    return before is not None and before != sealed.first()


def make(now: datetime) -> Checkpoint:
    """Sign the heads of all chains that are whole, and write that to every destination.

    Without its file it was not made; a file that stays when the database fails is as true as the next. The mail goes
    out afterwards, so that nobody waits for the server. Raises KeyMalformed, KeyMissing, OSError (also of the mail
    server: then it was made), IntegrityError where two are made at once, and RecordNotWhole when it was made and
    mailed. Its own event is newer than what it names, and makes none due.
    """
    key = statements.signing_key(settings.AUDIT_CHECKPOINT_KEY)
    keys.primary()
    last = Checkpoint.objects.order_by("-number").first()
    said = _said(last, [key.public, *settings.AUDIT_CHECKPOINT_PUBLIC_KEYS])
    heads, broken = _whole({UUID(chain): place for chain, place in said.heads.items()} if said else {})
    with unit_of_work():
        text = statements.sign(
            key,
            number=last.number + 1 if last else 1,
            at=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            previous=statements.digest_of(last.text) if last else statements.NONE,
            heads={str(chain): heads[chain] for chain in sorted(heads)},
        )
        made = Checkpoint.objects.create(number=last.number + 1 if last else 1, at=now, key_id=key.id, text=text)
        for chain, finding in broken.items():
            number, damage = str(finding.sequence), str(finding.damage)
            record(Kind.CHAIN_NOT_WHOLE, chain=chain, number=number, damage=damage)
        record(Kind.CHECKPOINT_MADE, number=made.number, digest=statements.digest_of(text), key=key.id)
        if directory := settings.AUDIT_CHECKPOINT_DIR:
            _write(Path(directory), _name_of(made), text)
    logger.info("Checkpoint %d of the record: SHA-256 %s, key %s", made.number, statements.digest_of(text), key.id)
    if addresses := settings.AUDIT_CHECKPOINT_MAIL:
        _mail(made, list(addresses))
    if broken:
        wrong = ", ".join(f"chain {chain}: {finding}" for chain, finding in broken.items())
        logger.critical("Checkpoint %d vouches for nothing new where the record is not whole: %s", made.number, wrong)
        raise RecordNotWhole(f"checkpoint {made.number} vouches for nothing new of {wrong}")
    return made


Heads = dict[UUID, tuple[int, str]]


def _said(last: Checkpoint | None, public: list[str]) -> Statement | None:
    """What the last one states, by its signature; None where there is none, or its row holds something else."""
    try:
        return statements.read(last.text, statements.public_keys(public)) if last else None
    except CheckpointUnsound:
        return None


def _whole(signed: Heads) -> tuple[Heads, dict[UUID, Finding]]:
    """How far each chain is whole as far as was looked now, and what is wrong with those that are not."""
    heads, broken = dict(signed), {}
    try:
        found = rows.heads()
    except rows.Unreadable:  # of whichever chain: nothing new can be vouched for
        return heads, {PLATFORM: Finding(0, Damage.HEAD_EDITED)}
    for chain in sorted({*signed, *found}):
        head, is_behind = found.get(chain, (rows.Head(chain), False))
        place = signed.get(chain, (0, GENESIS))
        if (head.sequence, head.hash) == place and not is_behind:
            continue
        finding = fault_after(head, *place)
        if finding is None:
            heads[chain] = head.sequence, head.hash
        else:
            broken[chain] = finding
    return heads, broken


def _name_of(made: Checkpoint) -> str:
    return f"checkpoint-{made.number:010}-{statements.digest_of(made.text)[:8]}.json"


def _mail(made: Checkpoint, addresses: list[str]) -> None:
    subject = f"{settings.SITE_NAME}: checkpoint {made.number}"
    mail = EmailMessage(subject, f"SHA-256 {statements.digest_of(made.text)}\n", to=addresses)
    mail.attach(_name_of(made), made.text + "\n", "application/json")
    mail.connection = get_connection(timeout=settings.EMAIL_TIMEOUT or MAIL_SECONDS)
    mail.send()


def _write(directory: Path, name: str, text: str) -> None:
    """A new file that nobody writes again: whole and on the disk before it has its name, or not there at all."""
    path, part = directory / name, directory / f".{name}.{os.getpid()}"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            raise FileExistsError(EEXIST, os.strerror(EEXIST), str(path))
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
