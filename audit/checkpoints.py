"""Making checkpoints: signed by the process that has the key, and written outside the database.

Nobody has to ask for one: what makes one due stands in the record, in the transaction of what happened.
"""

import json
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from audit import statements
from audit.identifiers import uuid7
from audit.kinds import Kind
from audit.log import record, unit_of_work
from audit.models import AuditChain, AuditEvent, Checkpoint

EVERY: Final = timedelta(days=1)
OVERLAP: Final = timedelta(minutes=10)  # an event is dated when it happens, and seen when its transaction ends
MAIL_SECONDS: Final = 30  # that a mail server may take to answer
WEIGHTY: Final = (
    Kind.POLICY_PUBLISHED,
    Kind.POLICY_REVERTED,
    Kind.POLICY_SWITCHED_OFF,
    Kind.POLICY_SWITCHED_ON,
    Kind.MFA_RESET,
    Kind.KEY_ROTATION_STARTED,
    Kind.KEY_ROTATION_FINISHED,
    Kind.KEY_RETIRED,
    Kind.KEY_ADOPTION_FINISHED,
)
"""What a checkpoint follows soon, instead of within a day."""

logger = logging.getLogger(__name__)


def is_able() -> bool:
    """Whether this process has the key. The site's own processes should not."""
    return bool(settings.AUDIT_CHECKPOINT_KEY)


def is_due(now: datetime) -> bool:
    """Whether a day has passed, or something weighty was recorded since the last one."""
    last = Checkpoint.objects.order_by("-number").first()
    if last is None or last.at <= now - EVERY:
        return True
    heads = {UUID(chain): number for chain, (number, _digest) in json.loads(last.text)["statement"]["heads"].items()}
    recent = AuditEvent.objects.filter(kind__in=WEIGHTY, id__gt=uuid7(last.at - OVERLAP))
    return any(number > heads.get(chain, 0) for chain, number in recent.values_list("chain", "sequence").iterator())


def make(now: datetime) -> Checkpoint:
    """Sign the heads of all chains, and write that to every destination.

    Without its file it was not made; a file that stays when the database fails is as true as the next. The mail goes
    out afterwards, so that nobody waits for the server. Raises KeyMalformed, OSError (also of the mail server: then it
    was made), and IntegrityError where two are made at once. Its own event is newer than what it names, and makes
    none due.
    """
    key = statements.signing_key(settings.AUDIT_CHECKPOINT_KEY)
    with unit_of_work():
        last = Checkpoint.objects.order_by("-number").first()
        heads = AuditChain.objects.order_by("pk").values_list("pk", "sequence", "hash")
        text = statements.sign(
            key,
            number=last.number + 1 if last else 1,
            at=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
            previous=statements.digest_of(last.text) if last else statements.NONE,
            heads={str(chain): (number, digest) for chain, number, digest in heads},
        )
        made = Checkpoint.objects.create(number=last.number + 1 if last else 1, at=now, key_id=key.id, text=text)
        record(Kind.CHECKPOINT_MADE, number=made.number, digest=statements.digest_of(text), key=key.id)
        if directory := settings.AUDIT_CHECKPOINT_DIR:
            _write(Path(directory), _name_of(made), text)
    logger.info("Checkpoint %d of the record: SHA-256 %s, key %s", made.number, statements.digest_of(text), key.id)
    if addresses := settings.AUDIT_CHECKPOINT_MAIL:
        _mail(made, list(addresses))
    return made


def _name_of(made: Checkpoint) -> str:
    return f"checkpoint-{made.number:010}-{statements.digest_of(made.text)[:8]}.json"


def _mail(made: Checkpoint, addresses: list[str]) -> None:
    subject = f"{settings.SITE_NAME}: checkpoint {made.number}"
    mail = EmailMessage(subject, f"SHA-256 {statements.digest_of(made.text)}\n", to=addresses)
    mail.attach(_name_of(made), made.text + "\n", "application/json")
    mail.connection = get_connection(timeout=settings.EMAIL_TIMEOUT or MAIL_SECONDS)
    mail.send()


def _write(directory: Path, name: str, text: str) -> None:
    """A new file that nobody writes again, on the disk before it counts."""
    path = directory / name
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
