"""What can go wrong while recording; every error stops the change that it would have recorded."""


class AuditError(Exception):
    """Base of this room's errors. `code` is stable; the text is for developers and operators."""

    code = "audit"


class AppendOnly(AuditError):
    """Somebody tried to change, remove or insert events other than through `audit.log.record`."""

    code = "append_only"


class DuplicateDeclaration(AuditError):
    """A kind of event was declared twice."""

    code = "duplicate_declaration"


class ReservedField(AuditError):
    """A payload field is named like one of `record`'s own arguments."""

    code = "reserved_field"


class UndeclaredKind(AuditError):
    """An event of a kind that the catalogue does not hold."""

    code = "undeclared_kind"


class UndeclaredField(AuditError):
    """A payload field that the kind of event does not declare."""

    code = "undeclared_field"


class WrongFieldType(AuditError):
    """A payload value that is not of its field's declared type (floats never are)."""

    code = "wrong_field_type"


class NotRecorded(AuditError):
    """The database took the statement and did not keep the events: a trigger of somebody else's, a rule."""

    code = "not_recorded"


class NotCanonical(AuditError):
    """A value that has no canonical form: a float, text that is not NFC, an integer beyond 2^53."""

    code = "not_canonical"


class KeyMissing(AuditError):
    """There is no key to authenticate events with."""

    code = "key_missing"


class KeyMalformed(AuditError):
    """A key is not 32 bytes in URL-safe base64. The text never contains the key."""

    code = "key_malformed"


class CheckpointUnsound(AuditError):
    """A checkpoint that is not signed by a known key, or whose predecessor is missing."""

    code = "checkpoint_unsound"


class RecordNotWhole(AuditError):
    """Something in the record is not as it was recorded: no checkpoint vouches for what follows it."""


class NoSuchKey(CheckpointUnsound):
    """A checkpoint that is signed under a key that was not given: nothing can be said of it."""

    code = "no_such_key"


class NotAnExport(AuditError):
    """A file that is no export of the record, or of a version that is not known."""

    code = "not_an_export"


class NotWhole(NotAnExport):
    """An export of what a filter left: nothing can be proved by it."""

    code = "not_whole"


class UnreadableLine(AuditError):
    """A line of an export that exporting never writes. The text holds nothing of the line."""

    code = "unreadable_line"
